"""What the machine offers to this process."""

import os


def usable_cpus() -> int:
    """Return how many CPUs this process may use: all, where the system has no limit (macOS)."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
