"""One mistake of a user, and what its message must say."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from jwmirror.config.load import Config
from jwmirror.services.run.session import RunSession

HOME = "/home/you"  # in messages, in place of a temporary folder
FOLDER = "jwst"  # in it: where the commands are called

Job = Callable[[Config, RunSession], object]  # of a run; it may raise


def nothing(folder: Path) -> None:
    """Prepare an empty folder."""


@dataclass(frozen=True, kw_only=True)
class Mistake:
    """One mistake: how to make it, and parts of the message that it gets.

    `command` is called in a folder that `prepare` has filled, with these variables added to the
    environment.
    """

    what: str  # the user did
    command: str
    job: Job | None = None  # of the run that the command begins
    prepare: Callable[[Path], object] = nothing
    variables: Mapping[str, str] = field(default_factory=dict)
    code: int = 2  # the exit code
    is_real: bool = False  # called as a process, since Snakemake says it
    where: str  # words of the message on the place
    found: str  # ... on what is there
    step: str  # ... on what to do


@dataclass(frozen=True)
class Section:
    """Mistakes of one kind."""

    title: str
    mistakes: tuple[Mistake, ...]


@dataclass(frozen=True)
class Outcome:
    """What a mistake led to."""

    message: str  # standard output and error
    code: int
