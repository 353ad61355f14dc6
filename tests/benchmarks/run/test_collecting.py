"""What a run leaves for the page: every case's maps, small."""

import io
from pathlib import Path
from types import ModuleType

import numpy as np
from PIL import Image
from small_runs import controlled, with_part

from benchmarks.networks.network import load_network
from benchmarks.results import records
from benchmarks.results.records import MAP_SIZE
from benchmarks.run.collecting import reduced
from benchmarks.run.loop import as_records, run
from benchmarks.run.plan import Options
from benchmarks.run.store import Store


def test_every_case_has_its_maps_for_the_page(world: ModuleType, log: Path, tmp_path: Path) -> None:
    plan = controlled(world, log, controls={})
    methods = {**plan.parts[0].methods, "bright": world.Brightness(str(log), fails_on=1)}
    plan = with_part(plan, methods=methods)
    results = run(plan, Options(), Store(tmp_path / "cells"))
    records.save(as_records(plan, Options(), results, {}), tmp_path)
    found = records.load(tmp_path).maps
    assert [each.case for each in found] == [world.case(number).key for number in range(10)]
    for number, each in enumerate(found):
        case = world.case(number)
        assert (each.dataset, each.network, each.picture) == ("noise", "tiny", case.picture)
        assert Image.open(io.BytesIO(each.picture_jpeg)).size == (16, 16)
        assert (each.region is None) == (case.region is None)
        if each.region is not None:
            np.testing.assert_array_equal(each.region, case.region)
        assert list(each.maps) == ["dark", "centre"] if case.target == 1 else ["bright", "dark", "centre"]
        image = load_network("tiny").tensor(case.image)
        np.testing.assert_array_equal(each.maps["dark"], records.evidence_bytes(-image.mean(dim=0).numpy()))
    with np.load(tmp_path / "maps.npz") as stored:
        assert sum(name.startswith("picture|") for name in stored.files) == 5  # two cases a picture


def test_large_maps_are_averaged_over_areas(world: ModuleType) -> None:
    plane = np.zeros((112, 224), dtype=np.float32)
    plane[:2, :4] = 3
    plane[2:4, 4:8] = np.arange(8).reshape(2, 4)
    found = reduced(plane)
    assert found.shape == (MAP_SIZE, MAP_SIZE)
    assert found[0, 0] == 3
    assert found[1, 1] == 3.5
    assert reduced(np.ones((299, 30), dtype=bool)).shape == (MAP_SIZE, 30)
    np.testing.assert_array_equal(reduced(plane[::-1, ::-1]), found[::-1, ::-1])  # a mirrored picture's region
