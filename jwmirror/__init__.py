"""A local mirror of JWST programs that knows its own history, and recalibrates them your way."""


def __getattr__(name: str) -> str:
    """`__version__`, looked up at first use: most commands do not need it."""
    if name != "__version__":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("jwmirror")
    except PackageNotFoundError:  # run from a checkout that was not installed
        return "0+checkout"
