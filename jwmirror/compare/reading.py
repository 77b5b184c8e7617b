"""Errors of reading a file, as StoreError."""

from contextlib import AbstractContextManager
from pathlib import Path

from jwmirror.core.errors import StoreError, as_typed, failures_as


def parse_errors(path: Path, filename: str, kind: str) -> AbstractContextManager[None]:
    """Convert any failure to read a file to StoreError."""
    return failures_as(
        lambda why: StoreError(
            f"{filename}: {path} cannot be read as {kind} ({why}); nothing was compared; run "
            f"{as_typed('verify --full')} to check whether the stored file is damaged."
        )
    )
