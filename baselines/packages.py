"""Packages that one method calls and that the extra ``benchmarks`` does not install."""

import importlib.util
from dataclasses import dataclass

from mint.contract import InputError


@dataclass(frozen=True)
class Package:
    """A package that a method needs; the method's class names it as its attribute ``needs``."""

    module: str  # as it is imported
    extra: str  # the extra of this project that installs it

    @property
    def absent(self) -> bool:
        """Whether the package is not installed."""
        return importlib.util.find_spec(self.module) is None

    @property
    def cure(self) -> str:
        """The command that installs it."""
        return f"python -m pip install -e '.[{self.extra}]'"

    def require(self) -> None:
        """Raise an `InputError` that says how to install the package, if it is absent."""
        if self.absent:
            raise InputError(f"the package {self.module} is not installed; install it by: {self.cure}")
