"""Errors of reading a file, as StoreError."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from jwmirror.core.errors import StoreError, plain_text


@contextmanager
def parse_errors(path: Path, filename: str, kind: str, *errors: type[Exception]) -> Iterator[None]:
    """Convert what parsers raise for a damaged file, and `errors`, to StoreError."""
    caught: tuple[type[Exception], ...] = (OSError, ValueError, TypeError, KeyError, *errors)
    try:
        yield
    except caught as err:
        raise StoreError(
            f"{filename}: {path} cannot be read as {kind} ({plain_text(err)}); nothing was "
            "compared; run `jwmirror verify --full` to check whether the stored file is damaged."
        ) from err
