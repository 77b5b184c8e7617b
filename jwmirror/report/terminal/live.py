"""The progress of a run on a terminal, as a block that is redrawn, or in a log, as plain lines."""

import sys
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from jwmirror.core.model.jobs.run_state import RunState
from jwmirror.core.printing import LINES, printable, wrapped
from jwmirror.report.terminal.running import IN_WORDS, bar, begun_lines, progress_line, stage_lines

MINUTE_S = 60.0  # between two lines of a log, at least
PART = 20  # of the time that has passed since the start: a long run has lines less often
LONG_S = 10.0  # a shorter sync of references is not shown; most runs only look at them
WIDE = 60  # columns from which on a bar fits


class ProgressView:
    """Prints lines of a run, and below them how far it is. Use it as a context manager.

    On a terminal the progress is a block that is redrawn; it is erased at the end. Otherwise it is
    a line each minute, and less often in a long run, without control characters.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic):
        is_terminal = sys.stdout.isatty()
        self._console = Console(
            force_terminal=is_terminal, markup=False, emoji=False, highlight=False
        )
        self._is_live = is_terminal and not self._console.is_dumb_terminal
        self._live: Live | None = None
        self._clock = clock
        self._start = self._last = clock()
        self._syncing_since: float | None = None
        self._shown: set[str] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._erase()

    def show(self, line: str) -> None:
        """Print a line on standard output."""
        self._erase()
        print(printable(line, LINES), flush=True)

    def warn(self, line: str) -> None:
        """Print a line on standard error."""
        self._erase()
        print(wrapped(printable(line, LINES), sys.stderr), file=sys.stderr, flush=True)

    def draw(self, state: RunState) -> None:
        """Show how far a run is: print phases that have begun, then redraw, or print if due."""
        for line in (*begun_lines(state), *self._sync_line(state)):
            if line not in self._shown:
                self._shown.add(line)
                self._last = self._clock()
                self.show(line)
        if self._is_live:
            self._redraw(state)
        elif self._is_due():
            self._last = self._clock()
            self.show(progress_line(state))

    def _sync_line(self, state: RunState) -> list[str]:
        """Return a line on the sync of references, if it takes long."""
        if state.phase != "references":
            self._syncing_since = None
            return []
        if self._syncing_since is None:
            self._syncing_since = self._clock()
        return [IN_WORDS[state.phase]] * (self._clock() - self._syncing_since >= LONG_S)

    def _is_due(self) -> bool:
        now = self._clock()
        return now - self._last >= max(MINUTE_S, (now - self._start) / PART)

    def _redraw(self, state: RunState) -> None:
        width, height = self._console.size
        lines = [Text(printable(progress_line(state)))]
        if width >= WIDE and (shown := bar(state)):
            lines.insert(0, Text(shown))
        room = max(height - 6, 1)  # a long line may need several of a narrow terminal
        for line in stage_lines(state, room):
            lines.append(Text(printable(f"  {line}"), no_wrap=True, overflow="crop"))
        if self._live is None:
            self._live = Live(
                console=self._console,
                auto_refresh=False,
                transient=True,
                redirect_stdout=False,
                redirect_stderr=False,
                vertical_overflow="crop",
            )
            self._live.start()
        self._live.update(Group(*lines), refresh=True)

    def _erase(self) -> None:
        live, self._live = self._live, None
        if live:
            live.stop()
