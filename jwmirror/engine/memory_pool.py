"""A pool of memory that threads share: a thread waits until there is enough for it."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager


def machine_memory() -> int:
    """Return the bytes of memory of this machine."""
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


class MemoryPool:
    """A number of bytes that threads reserve and release.

    A reservation of more than the whole pool waits until nothing else is reserved.
    """

    def __init__(self, size: float):
        self._size, self._reserved = size, 0
        self._changed = threading.Condition()

    @contextmanager
    def reserve(self, amount: int) -> Iterator[None]:
        """Reserve bytes while the block runs; wait until they are free."""
        with self._changed:
            self._changed.wait_for(
                lambda: not self._reserved or self._reserved + amount <= self._size
            )
            self._reserved += amount
        try:
            yield
        finally:
            with self._changed:
                self._reserved -= amount
                self._changed.notify_all()
