"""Snakemake as a child process: its arguments, its log, and the signals that it gets."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from types import FrameType

from jwmirror.config.workflow_files import workflow_in
from jwmirror.core.errors import StoreError, plain_text

COMMAND = (sys.executable, "-m", "snakemake")
SNAKEFILE, PROFILE, CONFIG = "--snakefile", "--workflow-profile", "--config"
LOGS = Path(".snakemake") / "log"  # beside Snakemake's own, which lack the output of jobs
PRIVATE = 0o600  # jobs may print numbers that were measured on exclusive data
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def snakemake_arguments(arguments: Sequence[str], folder: Path) -> list[str]:
    """Return the arguments for Snakemake: the user's, and the Snakefile if they name none.

    The Snakefile is that of `folder`, or the installed one. A profile that `folder` lacks is taken
    from beside the Snakefile. `--config FILE`, as other commands of jwmirror know it, becomes
    `--configfile FILE`: Snakemake's own `--config` takes KEY=VALUE only.
    """
    workflow = workflow_in(folder)
    words = [word for argument in arguments for word in _split(argument)]
    for place, (option, value) in enumerate(pairwise(words), start=1):
        if option == PROFILE and not (folder / value).exists() and (workflow / value).exists():
            words[place] = str(workflow / value)
        if option == CONFIG and "=" not in value:
            words[place - 1] = "--configfile"
    own = not any(word in ("-s", SNAKEFILE) for word in words)
    return [*([SNAKEFILE, str(workflow / "Snakefile")] if own else []), *words]


def _split(argument: str) -> Sequence[str]:
    """Return the option and the value in --option=value, of those that are looked at."""
    option, is_joined, value = argument.partition("=")
    names = (SNAKEFILE, PROFILE, CONFIG)
    return (option, value) if is_joined and option in names else (argument,)


def new_log(folder: Path) -> Path:
    """Create the log of one call below a folder, and return its path.

    Raises:
        StoreError: it cannot be created.
    """
    path = folder / LOGS / f"{datetime.now():%Y-%m-%dT%H%M%S.%f}.jwmirror.log"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE))
    except OSError as err:
        raise StoreError(
            f"log {path}: {plain_text(err)}; nothing was run; call `jwmirror run` in a folder that "
            "you can write to."
        ) from err
    return path


@dataclass
class SnakemakeProcess:
    """Snakemake in a session of its own, so that signals reach it, and its jobs, exactly once.

    Its output goes to a log. The first signal that stops is passed on, so that it ends its jobs;
    the second one kills all. The mirror bears both.
    """

    process: subprocess.Popen[bytes]
    signals: list[int] = field(default_factory=list)  # that were passed on

    @classmethod
    def start(
        cls, words: Sequence[str], log: Path, variables: Mapping[str, str]
    ) -> "SnakemakeProcess":
        """Start it, with some more environment variables."""
        path = os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", "")))
        with open(log, "ab") as output:
            process = subprocess.Popen(
                words,
                env={**os.environ, "PATH": path, **variables},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        return cls(process)

    @contextmanager
    def passing_signals(self, on_first: Callable[[], None]) -> Iterator[None]:
        """Pass signals on to it while the block runs; `on_first` is called for the first one."""

        def handle(number: int, _: FrameType | None) -> None:
            is_first = not self.signals
            self.signals.append(number)
            self._send(signal.SIGINT if is_first else signal.SIGKILL)
            if is_first:
                on_first()

        before = {number: signal.signal(number, handle) for number in SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def ends_within(self, seconds: float) -> bool:
        """Wait so long for its end; return whether it has ended."""
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(seconds)
            return True
        return False

    @property
    def code(self) -> int:
        """Its exit code, as a shell gives it."""
        code = -self.signals[0] if self.signals else self.process.returncode or 0
        return 128 - code if code < 0 else code

    def _send(self, number: int) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, number)
