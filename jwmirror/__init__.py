"""A local mirror of JWST programs that knows its own history, and recalibrates them your way.

`jwmirror.open("mirror")` reads a mirror from Python. What is heavy is imported at first use.
"""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jwmirror.mirror import Mirror

    __version__: str

__all__ = ["Mirror", "__version__", "open"]


def open(folder: str | Path = "mirror") -> "Mirror":
    """Return the mirror in a folder, to read it. StoreError if the folder is not a mirror."""
    from jwmirror.mirror import Mirror

    return Mirror(folder)


def __getattr__(name: str) -> object:
    """`__version__` and `Mirror`, looked up at first use: most commands do not need them."""
    if name == "Mirror":
        from jwmirror.mirror import Mirror

        return Mirror
    if name != "__version__":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("jwmirror")
    except PackageNotFoundError:  # run from a checkout that was not installed
        return "0+checkout"
