import torch

from benchmarks.run.memory import _sums


def test_pictures_have_the_same_sums_only_if_they_are_the_same_bit_by_bit() -> None:
    pictures = torch.randn(40, 300, generator=torch.Generator().manual_seed(0))
    pictures[1::2] = pictures[::2]
    changed = pictures.clone()
    for number in range(1, 40, 2):
        changed[number, number] *= -1  # the least that can be told apart: the highest bit of one value
    same, other = _sums(pictures), _sums(changed)
    assert same[::2] == same[1::2] == other[::2]
    assert len({*same, *other}) == 40
