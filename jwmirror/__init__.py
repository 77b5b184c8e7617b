"""A local mirror of JWST programs that knows its own history, and recalibrates them your way."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("jwmirror")
except PackageNotFoundError:  # run from a checkout that was not installed
    __version__ = "0+checkout"
