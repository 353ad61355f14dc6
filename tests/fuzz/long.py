"""One harness under Atheris: ``python tests/fuzz/long.py NAME SECONDS FOLDER`` from the root of the checkout.

Faults do not stop it: the first input of each kind is kept in the folder ``faults``, and ``counts.json`` tells
what was tried. An input that never ends, or takes all memory, ends the process, with a line of libFuzzer's.
"""

import json
import shutil
import sys
import time
import traceback
from pathlib import Path
from random import Random

import atheris

with atheris.instrument_imports(include=["mint", "benchmarks", "numpy.lib", "PIL", "safetensors", "zipfile", "json"]):
    from fuzz import HARNESSES
    from fuzz.harness import examine, mutate


def main(name: str, seconds: str, where: str) -> None:
    harness, folder = HARNESSES[name], Path(where)
    for each in ("corpus", "faults", "sound", "desk"):
        (folder / each).mkdir(parents=True, exist_ok=True)
    sound = harness.sound(folder / "sound")
    for number, data in enumerate((*sound, *harness.found)):
        (folder / "corpus" / f"sound-{number}").write_bytes(data)
    counts = {"harness": name, "tried": 0, "read": 0, "refused": 0, "faults": 0}
    kinds: set[str] = set()
    started, written = time.monotonic(), [0.0]

    def one(data: bytes) -> None:
        counts["tried"] += 1
        try:
            counts["read" if examine(harness, data, folder / "desk") else "refused"] += 1
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                raise
            counts["faults"] += 1
            frames = traceback.extract_tb(error.__traceback__)[-2:]
            kind = f"{type(error).__name__}-" + "-".join(
                f"{Path(frame.filename).stem}.{frame.lineno}" for frame in frames
            )
            if kind not in kinds and len(kinds) < 200:
                kinds.add(kind)
                (folder / "faults" / kind).write_bytes(data)
                (folder / "faults" / f"{kind}.txt").write_text("".join(traceback.format_exception(error)))
            shutil.rmtree(folder / "desk")
            (folder / "desk").mkdir()
        counts["seconds"] = round(time.monotonic() - started)
        if time.monotonic() - written[-1] > 1:
            written[-1] = time.monotonic()
            (folder / "counts.json").write_text(json.dumps(counts))

    def mutated(data: bytes, most: int, seed: int) -> bytes:
        random = Random(seed)
        # Half of the time from a sound input, as damage upon damage is refused at the first look.
        return mutate(random.choice((bytes(data), random.choice(sound))), random, harness.tokens)[:most]

    limits = [f"-max_total_time={seconds}", "-timeout=30", "-rss_limit_mb=6000", "-max_len=200000"]
    atheris.Setup(
        [sys.argv[0], *limits, f"-artifact_prefix={folder}/", str(folder / "corpus")], one, custom_mutator=mutated
    )
    atheris.Fuzz()


if __name__ == "__main__":
    main(*sys.argv[1:])
