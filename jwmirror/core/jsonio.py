"""Records as canonical JSON: text, digests, files, and answers that files remember."""

import hashlib
import json
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from jwmirror.core.errors import ClosedError, StoreError, plain_text
from jwmirror.core.files import open_regular, path_below, read_bytes, write_bytes

T = TypeVar("T")
MAX_JSON = 64 << 20  # bytes; an association of 10,000 members has 2 MB
_ENCODER = msgspec.json.Encoder(order="deterministic")
STEP = "move it away, and try again"  # where a record is damaged
MAX_VALUES = 5_000_000  # as `count_values` counts them


def canonical(value: object) -> str:
    """Return canonical JSON: sorted keys, no spaces; equal values give equal text."""
    return msgspec.json.encode(value, order="sorted").decode()


def digest(value: object) -> str:
    """Return the hex sha256 of a value's canonical JSON."""
    return hashlib.sha256(canonical(value).encode()).hexdigest()


def parse(text: str | bytes, kind: type[T]) -> T:
    """Return the record of type `kind` in JSON `text`; msgspec.ValidationError if it is another."""
    return msgspec.json.decode(text, type=kind)


def write(path: Path, value: object, mode: int = 0o644) -> None:
    """Durably write a record as JSON, as `encoded`."""
    write_bytes(Path(path), encoded(value), mode)


def encoded(value: object) -> bytearray:
    """Return a record as JSON, with fields in their order: equal records give equal bytes."""
    content = bytearray()
    _ENCODER.encode_into(value, content)
    content += b"\n"
    return content


def read(path: Path, kind: type[T], step: str = STEP) -> T:
    """Return the record of type `kind` in a file that `write` wrote.

    Raises:
        FileNotFoundError: there is no such file.
        ClosedError: this user may not read the file.
        StoreError: the file is not such a record; `step` is what the user can do then.
    """
    try:
        content = read_bytes(path)
    except PermissionError as err:
        raise ClosedError(path) from err
    return parse_file(path, content, kind, step)


def parse_file(path: Path, content: bytes, kind: type[T], step: str = STEP) -> T:
    """Return the record in the content of a file, or in a part of it. StoreError as `read`."""
    try:
        return parse(content, kind)
    except msgspec.DecodeError as err:
        raise StoreError(
            f"{path.absolute()}: not as jwmirror writes it ({plain_text(err)}); {step}."
        ) from err


def read_all(paths: Iterable[Path | str], kind: type[T]) -> list[T]:
    """Return the records of one type in several files."""
    return [read(Path(path), kind) for path in paths]


def load_json(path: Path) -> Any:  # nested dicts, lists and values of JSON
    """Return the content of a JSON file; ValueError if it is larger than any of MAST's."""
    with open_regular(path) as file:
        content = file.read(MAX_JSON + 1)
    if len(content) > MAX_JSON:
        raise ValueError(f"expected at most {MAX_JSON} bytes of JSON, found more")
    if count_values(content) > MAX_VALUES:
        raise ValueError(f"expected at most {MAX_VALUES} values in JSON, found more")
    return json.loads(content.decode("utf-8"))


def count_values(text: bytes) -> int:
    """Return about how many values a piece of JSON has, before it is parsed.

    An object counts as ten: `{}` has two bytes, and takes 64 of memory, or 300 as a record.
    """
    return text.count(b",") + text.count(b"[") + 10 * text.count(b"{")


def receipt_path(mirror: Path, folder: str, name: str, scheme: str) -> Path:
    """Return the file of an answer that a mirror remembers between runs.

    `scheme` is the version of the method that gave the answer, "" for the first.
    """
    named = f"{name}.{scheme}" if scheme else name
    return path_below(mirror / "receipts" / folder, f"{named}.json", "a record of the mirror")


def remembered(
    path: Path,
    kind: type[T],
    compute: Callable[[], T],
    is_lasting: Callable[[T], bool] = lambda value: True,
) -> T:
    """Return the answer in a file; without one, compute it, and write it if it is lasting."""
    with suppress(FileNotFoundError, StoreError):
        stored = read(path, kind)
        if is_lasting(stored):
            return stored
    value = compute()
    if is_lasting(value):
        with suppress(OSError):  # a preview works on a mirror that may only be read
            write(path, value)
    return value
