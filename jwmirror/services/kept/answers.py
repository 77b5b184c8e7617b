"""Answers that take long to find, kept in a mirror together with what they depend on."""

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from jwmirror.core.errors import StoreError
from jwmirror.core.jsonio import read, write
from jwmirror.core.mirror import is_mirror

T = TypeVar("T")
PRIVATE = 0o600  # an answer may have numbers that were measured on exclusive data


def answer_path(mirror: Path, name: str) -> Path:
    """Return the file with the last answer of a name."""
    return Path(mirror) / "receipts" / "answers" / f"{name}.json"


def kept_answer(
    mirror: Path, name: str, parts: Mapping[str, str], kind: type[T], compute: Callable[[], T]
) -> T:
    """Return the kept answer of a name if it depends on the same `parts`; else compute and keep it.

    `parts`: the digest of each thing that the answer depends on, by name.
    """
    kept_parts, answer = read_answer(mirror, name, kind)
    if answer is not None and kept_parts == parts:
        return answer
    answer = compute()
    keep_answer(mirror, name, parts, answer)
    return answer


def read_answer(mirror: Path, name: str, kind: type[T]) -> tuple[dict[str, str], T | None]:
    """Return what the kept answer of a name depends on, and the answer; {} and None without one."""
    with suppress(FileNotFoundError, NotADirectoryError, StoreError):
        parts, answer = read(answer_path(mirror, name), tuple[dict[str, str], kind])  # type: ignore[valid-type]  # msgspec takes the type at run time
        return parts, answer
    return {}, None


def keep_answer(mirror: Path, name: str, parts: Mapping[str, str], answer: object) -> None:
    """Keep an answer with the parts that it depends on, in place of the last one of its name.

    Nothing is kept where there is no mirror yet, or where it may only be read.
    """
    with suppress(OSError):
        if is_mirror(Path(mirror)):
            write(answer_path(mirror, name), (parts, answer), PRIVATE)


def forget_answer(mirror: Path, name: str) -> None:
    """Remove the kept answer of a name."""
    answer_path(mirror, name).unlink(missing_ok=True)


def changed_parts(before: Mapping[str, str], now: Mapping[str, str]) -> Iterable[str]:
    """Return the names of the parts that differ."""
    names = before.keys() | now.keys()
    return sorted(name for name in names if before.get(name) != now.get(name))
