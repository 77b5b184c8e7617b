"""One call of `jwmirror run`: start Snakemake, show what it does, and sum up how it ended."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from jwmirror.core.errors import (
    call_of_run,
    command_to_run,
    known_call,
    options_of_run,
    set_call,
)
from jwmirror.core.log import MESSAGES, read_messages
from jwmirror.core.model.jobs.run_state import RunState
from jwmirror.core.model.run import RunMessage
from jwmirror.services.inspect.running.observation import RunObserver
from jwmirror.services.start.snakemake import (
    COMMAND,
    SnakemakeCall,
    new_log,
    snakemake_arguments,
)
from jwmirror.services.start.summary import ended_early, summary_lines
from jwmirror.store.lock import RUN_LOCK, lock_note

INTERVAL_S = 0.5  # between two looks at the messages
STOPPING = "Stopping: the jobs at work are ended first. Press Ctrl-C again to kill them."
STOPPED = "Interrupted. Nothing is lost: {} goes on from here."


def run_workflow(
    arguments: Sequence[str],
    show: Callable[[str], None],
    warn: Callable[[str], None],
    command: Sequence[str] = COMMAND,
    draw: Callable[[RunState], None] = lambda state: None,
) -> int:
    """Run the workflow in the current folder, and return the exit code.

    `arguments` are the user's, for Snakemake. `show` prints a line of the summary, `warn` one of
    what went wrong, `draw` how far the run is. The last line is the reason of an error.

    Raises:
        StoreError: the log cannot be written.
    """
    folder = Path.cwd()
    log = new_log(folder)
    called = known_call(["jwmirror", "run", *arguments])
    with called, TemporaryDirectory(prefix="jwmirror-") as private:
        messages = Path(private) / "messages"
        messages.touch()
        words = [*command, *snakemake_arguments(arguments, folder)]
        watch = RunWatch(messages, show, warn, draw)
        with SnakemakeCall(words, log, {MESSAGES: str(messages)}) as call:
            while not call.has_ended(INTERVAL_S):
                watch.look(is_stopping=bool(call.signals))
        watch.look()
        return _end(call, watch, log.relative_to(folder))


@dataclass
class RunWatch:
    """The messages of a run, and how far it is, shown as they come."""

    messages: Path
    show: Callable[[str], None]
    warn: Callable[[str], None]
    draw: Callable[[RunState], None]
    begun: RunMessage | None = None
    error: RunMessage | None = None  # the last one
    _seen: int = 0
    _is_stopping: bool = False
    _observer: RunObserver | None = None

    def look(self, is_stopping: bool = False) -> None:
        """Show what is new, and once that the run is about to stop."""
        if is_stopping and not self._is_stopping:
            self._is_stopping = True
            self.warn(STOPPING)
        messages = read_messages(self.messages)
        for message in messages[self._seen :]:
            self._take(message)
        self._seen = len(messages)
        if self._observer and not is_stopping and (state := self._observer.look_if_due()):
            self.draw(state)

    def _take(self, message: RunMessage) -> None:
        if message.kind == "begun":
            self.begun = message
            mirror = Path(message.mirror)
            self._observer = RunObserver(mirror, message.text, lock_note(mirror, RUN_LOCK))
            self.show(f"Looking for what changed (mirror {message.mirror})")
        elif message.kind == "note":
            self.warn(message.text)
        else:
            self.error = message


def _end(call: SnakemakeCall, watch: RunWatch, log: Path) -> int:
    """Show the summary, or what Snakemake printed if no run began; return the exit code."""
    code, begun = call.code, watch.begun
    if begun:
        run = call_of_run()
        set_call(run, options_of_run(run, begun.mirror))
    if begun is None and not code:
        watch.show(log.read_text(errors="replace").rstrip("\n"))
        log.unlink()  # of a dry run or a help text, whose whole output is shown
        return code
    if begun:
        for line in summary_lines(Path(begun.mirror), begun.text, is_complete=not code):
            watch.show(line)
        watch.show(f"Snakemake's log: {log}")
    if call.signals:
        watch.warn(STOPPED.format(command_to_run()))
    elif code:
        for line in reason_lines(watch.error or ended_early(begun, code, log)):
            watch.warn(line)
    return code


def reason_lines(error: RunMessage) -> list[str]:
    """Return an error in lines, the sentence last."""
    if len(error.details) == 1:
        return [f"{error.text}: {error.details[0]}"]
    return [*error.details, error.text]
