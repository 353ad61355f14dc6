import numpy as np
import pytest
import torch

from mint.partitions import draw_dealt_states, overlay, owner_of, shifted_grids, slic


def test_an_overlay_cuts_along_all_borders_and_no_others() -> None:
    rows = torch.tensor([[0, 0], [1, 1]])
    columns = torch.tensor([[0, 1], [0, 1]])
    assert overlay([rows, columns]).tolist() == [[0, 1], [2, 3]]
    assert overlay([rows, rows]).tolist() == rows.tolist()


def test_an_atom_knows_its_owner() -> None:
    rows = torch.tensor([[0, 0], [1, 1]])
    atoms = overlay([rows, torch.tensor([[0, 1], [0, 1]])])
    assert owner_of(atoms, rows).tolist() == [0, 0, 1, 1]


def test_a_grid_and_its_shifted_ones_are_partitions_that_can_be_drawn_on_paper() -> None:
    plain, right, down, both = shifted_grids(2, 4, 2)
    assert plain.tolist() == [[0, 0, 1, 1], [2, 2, 3, 3]]
    assert right.tolist() == [[0, 1, 1, 2], [3, 4, 4, 5]]
    assert down.tolist() == [[0, 0, 1, 1], [2, 2, 3, 3]]  # a row is half a cell: nothing is left to shift
    assert both.tolist() == [[0, 1, 1, 2], [3, 4, 4, 5]]


@pytest.mark.parametrize(("height", "width", "cells"), [(112, 112, 7), (50, 31, 4), (3, 3, 9), (5, 7, 1)])
def test_grids_have_no_gaps_and_cells_of_the_size_asked_for(height: int, width: int, cells: int) -> None:
    for grid in shifted_grids(height, width, cells):
        assert grid.shape == (height, width)
        assert torch.unique(grid).tolist() == list(range(int(grid.max()) + 1))
        largest = int(torch.bincount(grid.flatten()).max())
        assert largest <= (height // cells + 1) * (width // cells + 1)
    assert int(shifted_grids(height, width, cells)[0].max()) + 1 == min(cells, height) * min(cells, width)


def test_slic_has_no_gaps() -> None:
    picture = np.random.default_rng(0).integers(0, 255, (24, 30, 3), dtype=np.uint8)
    labels = slic(picture, 9, 10.0)
    assert labels.shape == (24, 30)
    assert torch.unique(labels).tolist() == list(range(int(labels.max()) + 1))


def test_states_are_coins_of_one_partition_after_the_other() -> None:
    owners = [torch.tensor([0, 0, 1, 1]), torch.tensor([0, 1, 0, 1])]
    states = draw_dealt_states(41, owners, seed=0)
    assert states[0].all()
    for k in range(1, 41):
        same = [(states[k, i] == states[k, j]) for i, j in ([(0, 1), (2, 3)] if k % 2 == 0 else [(0, 2), (1, 3)])]
        assert all(same)
    assert 0.3 < float(states.double().mean()) < 0.7


def test_another_seed_throws_other_coins() -> None:
    first, second, again = (draw_dealt_states(12, [torch.arange(9)], seed) for seed in (0, 1, 0))
    assert not torch.equal(first, second)
    assert torch.equal(first, again)
