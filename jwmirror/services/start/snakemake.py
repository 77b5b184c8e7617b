"""Snakemake as a child process: its arguments, its log, and the signals that it gets."""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, Self

from jwmirror.config.workflow_files import workflow_in
from jwmirror.core.errors import ConfigError, StoreError, plain_text

COMMAND = (sys.executable, "-m", "snakemake")
SNAKEFILE, CONFIG = "--snakefile", "--config"
PROFILE, USER_PROFILE = "--workflow-profile", "--profile"
SITE_PROFILES = Path("/etc/xdg/snakemake")  # where Snakemake looks for those of --profile, too
CORES = ("--cores", "--jobs")
NO_CORES = frozenset(["-c0", "-c 0", "-j0", "-j 0", "--cores 0", "--jobs 0"])
LOGS = Path(".snakemake") / "log"  # beside Snakemake's own, which lack the output of jobs
PRIVATE = 0o600  # jobs may print numbers that were measured on exclusive data
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def snakemake_arguments(arguments: Sequence[str], folder: Path) -> list[str]:
    """Return the arguments for Snakemake: the user's, and the Snakefile if they name none.

    The Snakefile is that of `folder`, or the installed one. A profile that `folder` lacks is taken
    from beside the Snakefile, by its path or its name (`slurm`), also if it is given as `--profile`
    and the user has none of this name: profiles/default would overrule it there. `--config FILE`,
    as other commands of jwmirror know it, becomes `--configfile FILE`: Snakemake's own `--config`
    takes KEY=VALUE only.
    """
    workflow = workflow_in(folder)
    words = [word for argument in arguments for word in _split(argument)]
    _check_cores(words)
    for place, (option, value) in enumerate(pairwise(words), start=1):
        if option in (PROFILE, USER_PROFILE) and (path := _profile(option, value, folder)):
            words[place] = str(path)
            if PROFILE not in words:
                words[place - 1] = PROFILE
        if option == CONFIG and "=" not in value:
            words[place - 1] = "--configfile"
    own = not any(word in ("-s", SNAKEFILE) for word in words)
    return [*([SNAKEFILE, str(workflow / "Snakefile")] if own else []), *words]


def _check_cores(words: Sequence[str]) -> None:
    """Raise ConfigError for no cores at all: Snakemake would wait forever for one."""
    for option, value in pairwise([*words, ""]):
        if f"{option} {value}" in NO_CORES or option in NO_CORES:
            why = f"{option} {value}".strip() if value == "0" else option
            raise ConfigError(
                [f"{why}: expected at least 1, or `all`; nothing was run; correct it"]
            )


def _profile(option: str, name: str, folder: Path) -> Path | None:
    """Return the profile of the workflow with this path or name, unless the user has one of it."""
    own = [folder / name]
    if option == USER_PROFILE:
        home = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
        own += [home / "snakemake" / name, SITE_PROFILES / name]
    workflow = workflow_in(folder)
    shipped = (workflow / name, workflow / "profiles" / name)
    found = next((path for path in shipped if (path / "config.yaml").is_file()), None)
    return None if any(path.exists() for path in own) else found


def _split(argument: str) -> Sequence[str]:
    """Return the option and the value in --option=value, of those that are looked at."""
    option, is_joined, value = argument.partition("=")
    names = (SNAKEFILE, PROFILE, USER_PROFILE, CONFIG, *CORES)
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


class SnakemakeCall:
    """Snakemake in a separate session, so that signals reach it, and its jobs, exactly once.

    Its output goes to a log. While the block runs, the first signal that stops this process is
    passed on as an interrupt, so that it ends its jobs; the second one kills all. The mirror bears
    both. If the block ends by an error, so does Snakemake.
    """

    def __init__(self, words: Sequence[str], log: Path, variables: Mapping[str, str]):
        self.signals: list[int] = []  # that this process got
        self._words, self._log, self._variables = words, log, variables
        self._process: subprocess.Popen[bytes] | None = None
        self._handlers: dict[int, Any] = {}

    def __enter__(self) -> Self:
        self._handlers = {each: signal.signal(each, self._handle) for each in SIGNALS}
        path = os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", "")))
        with open(self._log, "ab") as output:
            self._process = subprocess.Popen(
                self._words,
                env={**os.environ, "PATH": path, **self._variables},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        if self.signals:  # while it was started
            self._send(signal.SIGINT)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._process and self._process.poll() is None:
            self._send(signal.SIGINT)
            self._process.wait()
        for number, handler in self._handlers.items():
            signal.signal(number, handler)

    def has_ended(self, within_s: float) -> bool:
        """Wait so long for its end; return whether it has ended."""
        if self._process:
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(within_s)
                return True
        return False

    @property
    def code(self) -> int:
        """Its exit code, as a shell gives it; after a signal, the one that this stands for."""
        code = self._process.returncode or 0 if self._process else 1
        code = -self.signals[0] if self.signals else code
        return 128 - code if code < 0 else code

    def _handle(self, number: int, _: FrameType | None) -> None:
        self.signals.append(number)
        self._send(signal.SIGINT if len(self.signals) == 1 else signal.SIGKILL)

    def _send(self, number: int) -> None:
        if self._process:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, number)
