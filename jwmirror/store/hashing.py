"""Hashing many files, on all cores: OpenSSL and the disk work while Python waits."""

import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path

BLOCK = 1 << 22  # bytes read at a time
CHUNK = 64  # files per task


def sums(paths: Iterable[Path | str]) -> Iterator[tuple[str, str | OSError]]:
    """(path, hex sha256) of each file, in order; or the error that reading it gave."""
    threads = os.cpu_count() or 1
    pending = iter(paths)
    with ThreadPoolExecutor(threads) as pool:
        while ahead := list(islice(pending, CHUNK * threads * 8)):
            chunks = [ahead[start : start + CHUNK] for start in range(0, len(ahead), CHUNK)]
            for found in pool.map(_sums, chunks):
                yield from found


def sum_of(handle: int, block: memoryview) -> str:
    """Hex sha256 of an open file, from where it stands; `block` is room to read into."""
    total = hashlib.sha256()
    while count := os.readv(handle, [block]):
        total.update(block[:count])
    return total.hexdigest()


def _sums(paths: Sequence[Path | str]) -> list[tuple[str, str | OSError]]:
    block = memoryview(bytearray(BLOCK))
    return [(str(path), _sum(path, block)) for path in paths]


def _sum(path: Path | str, block: memoryview) -> str | OSError:
    """Hex sha256 of a file, read in large blocks."""
    try:
        handle = os.open(path, os.O_RDONLY)
    except OSError as err:
        return err
    try:
        return sum_of(handle, block)
    except OSError as err:
        return err
    finally:
        os.close(handle)
