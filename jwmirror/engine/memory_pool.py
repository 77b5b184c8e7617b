"""Memory that several threads share: who finds no room waits until others have given back."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager


def machine_memory() -> int:
    """Bytes of memory that this machine has."""
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


class MemoryPool:
    """So many bytes, taken and given back; what is more than all of them has them alone."""

    def __init__(self, size: float):
        self._size, self._taken = size, 0
        self._changed = threading.Condition()

    @contextmanager
    def taken(self, amount: int) -> Iterator[None]:
        """Wait for room, have it for a while, give it back."""
        with self._changed:
            self._changed.wait_for(lambda: not self._taken or self._taken + amount <= self._size)
            self._taken += amount
        try:
            yield
        finally:
            with self._changed:
                self._taken -= amount
                self._changed.notify_all()
