"""Let torchvision be imported beside a torch build that its compiled operators do not match.

torchvision registers its compiled operators (``nms``, ``qnms``, ...) when its extension library loads. Beside a
CPU-only torch that library does not load, and ``import torchvision`` then fails with "operator
torchvision::nms does not exist", although models, transforms and data sets need none of these operators.
Declaring the two schemas first is enough; calling such an operator still raises, as it should.

Import this module before torchvision::

    import mint.app.torchvision_ops  # noqa: F401
    import torchvision
"""

import contextlib
import importlib.util
from pathlib import Path

import torch

_SCHEMAS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)


def _extension_loads() -> bool:
    """Try torchvision's own operator library, without importing torchvision."""
    package = importlib.util.find_spec("torchvision")
    for folder in (package.submodule_search_locations or ()) if package else ():
        for library in Path(folder).glob("_C*"):
            with contextlib.suppress(OSError):
                torch.ops.load_library(str(library))  # type: ignore[no-untyped-call]
                return True
    return False


def _declare_missing_operators() -> torch.library.Library | None:
    if _extension_loads():
        return None
    library = torch.library.Library("torchvision", "FRAGMENT")  # type: ignore[no-untyped-call]
    for schema in _SCHEMAS:
        if not hasattr(torch.ops.torchvision, schema.split("(")[0]):
            library.define(schema)  # type: ignore[no-untyped-call]
    return library


# The definitions live as long as this object does.
_LIBRARY = _declare_missing_operators()
