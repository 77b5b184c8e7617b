"""A process that draws comparisons: `python -m jwmirror.compare.pictures.worker FOLDER`.

It reads tasks from standard input, and writes comparisons to standard output, one line of JSON
each.
"""

import os
import resource
import sys
from contextlib import suppress
from pathlib import Path

from jwmirror.compare.pictures.drawing import draw_files
from jwmirror.compare.pictures.records import DrawingTask
from jwmirror.core.jsonio import canonical, parse

MEMORY = 4 << 30  # bytes of addresses


def main() -> None:
    """Draw the tasks of standard input."""
    folder = Path(sys.argv[1])
    with suppress(ValueError, OSError):  # a lower limit is set
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    answers = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)  # what a library prints is no answer
    for line in sys.stdin.buffer:
        task = parse(line, DrawingTask)
        drawn = draw_files(task.pair, Path(task.old), Path(task.new), folder)
        answers.write(canonical(drawn).encode() + b"\n")


if __name__ == "__main__":
    main()
