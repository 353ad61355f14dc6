"""Reading a layer's output as a grid of places in the picture, (n, channels, height, width), whatever its layout.

Three layouts are read:

* (n, channels, height, width), as convolutions give it;
* (n, height, width, channels), as Swin transformers do;
* (n, tokens, channels), as most other transformers do: a token for each patch of the picture, row by row, and perhaps
  a few that have no place in it, such as class, distillation and register tokens.

How each is told from the others is said at :func:`find_layouts`. A network's name is never asked for.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from mint.parameters import InputError

Size = tuple[int, int]


@dataclass(frozen=True)
class Layout:
    """Where a layer's output holds its channels and places.

    Attributes
    ----------
    size : tuple of int
        Height and width of the grid.
    channels : int
        The axis of the channels: 1, or the last one.
    dropped : tuple of int
        Of tokens, the positions of those that have no place in the picture.
    """

    size: Size
    channels: int = 1
    dropped: tuple[int, ...] = ()

    def as_map(self, output: Tensor) -> Tensor:
        """Turn a layer's output into a view or copy of shape (n, channels, height, width)."""
        if output.ndim == 3:
            tokens = output[:, self._kept(output)].movedim(2, 1)
            return tokens.reshape(*tokens.shape[:2], *self.size)
        return output.movedim(self.channels, 1)

    def with_map(self, output: Tensor, grid: Tensor) -> Tensor:
        """Put a map, (n, channels, height, width), in its place in a layer's output; the output is left alone."""
        if output.ndim == 3:
            tokens = torch.as_tensor(self._kept(output), device=output.device)
            return output.index_copy(1, tokens, grid.flatten(2).movedim(1, 2))
        return grid.movedim(1, self.channels)

    def _kept(self, output: Tensor) -> list[int]:
        return [i for i in range(output.shape[1]) if i not in self.dropped]


def find_layouts(
    model: Callable[[Tensor], Any], image: Tensor, shapes: Mapping[str, Sequence[int]]
) -> dict[str, Layout]:
    """Find the layouts of layers' outputs; no more is asked of the network than their shapes leave open.

    *Four dimensions* are (n, channels, height, width), unless the second and the third alone could be height and width,
    by the picture's proportions. Where they could be, the network runs on a picture of twice the height: the axis that
    grows is the height. Many networks take one size only. There the proportions decide, and nothing is said of an
    output that is in the picture's proportions either way.

    *Three dimensions* are tokens. The network runs on the picture and on noise. A token that is the same for both, in
    the first tensor that has so many tokens, has no place in the picture: attention has not yet told it anything. The
    others must fill a grid: one that a convolution of the network gave, or this one halved once or more, as where
    patches are merged. In a network without convolutions, it is a grid of square patches. Last, the network runs on the
    picture with noise in a corner, its top half and left quarter. This must change the tokens of the corner, in every
    tensor of so many tokens; otherwise the tokens do not stand row by row, and are not read.

    Parameters
    ----------
    model : callable
        A classifier in evaluation mode.
    image : Tensor
        (c, h, w), normalised.
    shapes : mapping
        For each layer's name, the shape of its output for this one picture.

    Returns
    -------
    dict
        The layouts of those layers that can be read.
    """
    found = {name: Layout((shape[2], shape[3])) for name, shape in shapes.items() if is_plain(shape, image)}
    left = {name: shape for name, shape in shapes.items() if name not in found and len(shape) and shape[0] == 1}
    found |= _of_four_dimensions(model, image, {name: shape for name, shape in left.items() if len(shape) == 4})
    tokens = {name: shape[1] for name, shape in left.items() if len(shape) == 3}
    layouts = _of_tokens(model, image, set(tokens.values())) if tokens else {}
    return found | {name: layouts[count] for name, count in tokens.items() if count in layouts}


def is_plain(shape: Sequence[int], image: Tensor) -> bool:
    """Tell whether an output's shape alone says that it is (n, channels, height, width)."""
    return len(shape) == 4 and not in_proportion((shape[1], shape[2]), image)


def in_proportion(size: Size, image: Tensor) -> bool:
    """Tell whether a map of this height and width has the picture's proportions."""
    across, down = size[1] / image.shape[-1], size[0] / image.shape[-2]
    # Rounding and unpadded convolutions change a side by a few pixels.
    return abs(across - down) <= 0.1 * max(across, down) + 2 / min(image.shape[-2:])


def require_layouts(
    model: Callable[[Tensor], Any], images: Tensor, shapes: Mapping[str, Sequence[int]]
) -> dict[str, Layout]:
    """Find the layouts of layers from the shapes of their outputs for some images, (n, c, h, w).

    Raises
    ------
    InputError
        If one of them cannot be read as a grid.
    """
    of_one = {name: (1, *shape[1:]) for name, shape in shapes.items() if len(shape) and shape[0] == len(images)}
    found = find_layouts(model, images[0], of_one)
    for name, shape in shapes.items():
        if name not in found:
            raise InputError(
                f"layer {name!r} gives a tensor of shape {tuple(shape)}, which cannot be read as a grid of places in "
                "the picture; name a layer whose output is (n, channels, height, width), (n, height, width, channels), "
                "or (n, tokens, channels) with a token for each patch of the picture."
            )
    return found


def placeless(name: str) -> InputError:
    """Make the error of a layer behind which the answer reads none of the grid."""
    return InputError(
        f"of layer {name!r} the class score reads only tokens that have no place in the picture, such as the class "
        "token; name an earlier layer, such as the block before."
    )


def _of_four_dimensions(
    model: Callable[[Tensor], Any], image: Tensor, shapes: Mapping[str, Sequence[int]]
) -> dict[str, Layout]:
    if not shapes:
        return {}
    grown = _shapes_on_a_taller_picture(model, image)
    found = {}
    for name, shape in shapes.items():
        first, last = Layout((shape[2], shape[3])), Layout((shape[1], shape[2]), channels=-1)
        other = grown.get(name, ())
        if len(other) == 4 and (other[1] > shape[1]) != (other[2] > shape[2]):
            found[name] = last if other[1] > shape[1] else first
        elif not in_proportion(first.size, image):
            found[name] = last
    return found


def _shapes_on_a_taller_picture(model: Callable[[Tensor], Any], image: Tensor) -> dict[str, tuple[int, ...]]:
    shapes: dict[str, tuple[int, ...]] = {}

    def see(name: str, _module: nn.Module, _inputs: Sequence[Any], output: Any) -> None:
        if isinstance(output, Tensor):
            shapes[name] = tuple(output.shape)

    # A network of one size may refuse in any way; what it did before is known.
    with suppress(Exception):
        _run(model, torch.cat([image, image], dim=1), see)
    return shapes


def _of_tokens(model: Callable[[Tensor], Any], image: Tensor, counts: set[int]) -> dict[int, Layout]:
    """Find the layout for each number of tokens."""
    sizes: list[Size] = []

    def keep_size(_name: str, module: nn.Module, _inputs: Sequence[Any], output: Any) -> None:
        if isinstance(module, nn.Conv2d) and isinstance(output, Tensor) and output.ndim == 4 and len(output) == 1:
            sizes.append((output.shape[2], output.shape[3]))

    def prints_of(picture: Tensor, see: See) -> list[Tensor]:
        prints = []

        def take(tensors: Iterable[Any]) -> None:
            for each in tensors:
                if isinstance(each, Tensor) and each.ndim == 3 and len(each) == 1 and each.shape[1] in counts:
                    # One number for each token; a plain sum would be zero behind a layer norm.
                    weights = torch.arange(each.shape[2], device=each.device).cos()
                    prints.append((each[0].float() * weights).sum(dim=1))

        _run(model, picture, see, take)
        return prints

    height, width = image.shape[-2:]
    # One or more is added, so that no pixel stays as it is.
    noise = image.detach() + 1 + torch.rand(image.shape, generator=torch.Generator().manual_seed(0)).to(image)
    corner = image.detach().clone()
    corner[:, : height // 2, : width // 4] = noise[:, : height // 2, : width // 4]
    before = prints_of(image, keep_size)
    whole, part = (_changes(before, prints_of(each, lambda *_: None)) for each in (noise, corner))
    grids = list(_grids(sizes, image))
    found: dict[int, Layout] = {}
    refused: set[int] = set()
    for changed, in_corner in zip(whole, part, strict=True):
        count, placed = len(changed), int(changed.sum())
        if not placed:
            continue  # it does not come from the picture
        if count not in found:
            size = next((each for each in grids if each[0] * each[1] == placed), None)
            dropped = tuple((~changed).nonzero().flatten().tolist())
            if size is None:
                refused.add(count)
            else:
                found[count] = Layout(size, -1, dropped)
        if count in found:
            grid = found[count].as_map(in_corner[None, :, None])[0, 0]
            if not grid[: len(grid) // 2, : grid.shape[1] // 4].all():
                refused.add(count)
    return {count: layout for count, layout in found.items() if count not in refused}


def _changes(before: Sequence[Tensor], after: Sequence[Tensor]) -> list[Tensor]:
    """Tell which tokens have changed, in each tensor; all, if the network took another way."""
    if [len(each) for each in before] != [len(each) for each in after]:
        return [torch.ones_like(each, dtype=torch.bool) for each in before]
    return [one != other for one, other in zip(before, after, strict=True)]


def _grids(sizes: Iterable[Size], image: Tensor) -> Iterator[Size]:
    """List the grids that patches of the picture may stand in, from the convolutions' sizes."""
    known = [size for size in sizes if in_proportion(size, image)]
    if not known:
        height, width = image.shape[-2:]
        for side in range(1, max(height, width) + 1):
            yield height // side, width // side
            yield -(-height // side), -(-width // side)
        return
    while known:
        yield from known
        # Where a side is odd, some networks leave the last row out, and others pad it.
        larger = [(h, w) for h, w in dict.fromkeys(known) if h * w > 1]
        known = [(h // 2, w // 2) for h, w in larger] + [(-(-h // 2), -(-w // 2)) for h, w in larger]


See = Callable[[str, nn.Module, Sequence[Any], Any], None]


def _run(
    model: Callable[[Tensor], Any], image: Tensor, see: See, take: Callable[[Iterable[Any]], None] | None = None
) -> None:
    """Run the network once without a gradient; ``take`` is shown all that goes in and comes out, in its order."""
    with observed(model, see, take), torch.no_grad():
        model(image.detach()[None].clone())  # a network may write on its input


@contextmanager
def observed(model: Any, see: See, take: Callable[[Iterable[Any]], None] | None = None) -> Iterator[None]:
    """Call ``see`` after each module's run with its name, the module, its inputs and its output."""

    def after(name: str) -> Callable[[nn.Module, Sequence[Any], Any], None]:
        def hook(module: nn.Module, inputs: Sequence[Any], output: Any) -> None:
            see(name, module, inputs, output)
            if take is not None:
                take([output])

        return hook

    def before(_module: nn.Module, inputs: Sequence[Any]) -> None:
        if take is not None:
            take(inputs)

    handles = []
    try:
        for name, module in model.named_modules():
            handles.append(module.register_forward_pre_hook(before))
            handles.append(module.register_forward_hook(after(name)))
        yield
    finally:
        for handle in handles:
            handle.remove()
