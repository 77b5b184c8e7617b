"""Error classes, one family for each of the parties that can be at fault; words of messages."""

import difflib
import errno
import json
import os
import re
import shlex
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

from jwmirror.core.printing import LINES, printable

TYPES = {  # types of values in the config, as the schema or stpipe names them
    "object": "keys with values (`key: value`)",
    "array": "a list",
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "float": "a number",
    "boolean": "true or false",
    "option": "one of",
}
KINDS = {  # values of a record, as msgspec names them
    "array": "a list",
    "object": "keys with values",
    "str": "text",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "null": "nothing",
}
OF_RECORD = re.compile("Expected `([^`]+)`, got `([^`]+)`")  # message of msgspec
NEW_TOKEN = "https://auth.mast.stsci.edu/token"  # where MAST makes tokens
MAX_TEXT = 400  # characters of a parser's message that are passed on
MAX_LISTED, MAX_BESIDE = 25, 12  # allowed names in a message, alone and beside a suggestion
CALL = "JWMIRROR_CALL"  # environment variable with the call, for the commands that messages name
DISK = {  # errors of the system -> what the disk is, and the next step
    errno.ENOSPC: ("full disk", "make room for files and inodes"),
    errno.EDQUOT: ("full quota", "make room, or ask for a larger quota"),
    errno.EROFS: ("read-only disk", "make it writable"),
    errno.EIO: ("unreadable disk", "let its administrator check it"),
}
ELSEWHERE = frozenset(  # options and settings of a run that lead to another mirror
    ["--configfile", "--configfiles", "--directory", "-d", "mirror"]
)
PATHS = {  # errors of the system -> the next step for the path that it names
    errno.ENOENT: "correct the path",
    errno.ENOTDIR: "a part of the path is a file: correct the path",
    errno.EISDIR: "name a file",
    errno.EEXIST: "name another",
    errno.ENOTEMPTY: "name another",
    errno.ENAMETOOLONG: "choose a shorter one",
    errno.ELOOP: "its links lead in a circle: correct them",
    errno.EACCES: "ask its owner for access, or choose another",
    errno.EPERM: "ask its owner for access, or choose another",
}


# ---- commands that messages name ---------------------------------------------------------------


@contextmanager
def known_call(run: Sequence[str] = (), options: Sequence[str] = ()) -> Iterator[None]:
    """Let messages name commands as the user calls them, also those of child processes.

    `run`: the command that started this run, or nothing; `options`: --mirror or --config.
    """
    before = os.environ.get(CALL)
    set_call(run, options)
    try:
        yield
    finally:
        if before is None:
            del os.environ[CALL]
        else:
            os.environ[CALL] = before


def set_call(run: Sequence[str], options: Sequence[str]) -> None:
    """Do so for the rest of this process."""
    os.environ[CALL] = f"{shlex.join(run)}\n{shlex.join(options)}"


def options_of_run(run: Sequence[str], mirror: Path | str) -> list[str]:
    """Return the options by which other commands find the mirror of a run; none by default."""
    names = {word.partition("=")[0] for word in run}
    is_config = any(one == "--config" and "=" not in other for one, other in pairwise(run))
    return ["--mirror", str(Path(mirror).absolute())] if is_config or names & ELSEWHERE else []


def command_to_run(*settings: str) -> str:
    """Return the command that starts a run, in backquotes; with KEY=VALUE `settings` for once.

    In a run it is what the user typed; elsewhere `jwmirror run` with the config that they named.
    """
    run, options = call_of_run(), _options_of_call()
    config = options[options.index("--config") :][:2] if "--config" in options else ()
    words = run or ["jwmirror", "run", *config]
    if settings:
        pairs = list(pairwise([*words, ""]))  # --config FILE is not the option of Snakemake
        places = [i for i, (word, value) in enumerate(pairs) if word == "--config" and "=" in value]
        at = places[0] + 1 if places else len(words)
        words = [*words[:at], *(() if places else ["--config"]), *settings, *words[at:]]
    return f"`{shlex.join(words)}`"


def as_typed(words: str) -> str:
    """Return a command of jwmirror, in backquotes, with the user's --mirror or --config."""
    options = _options_of_call()
    return f"`{' '.join(['jwmirror', words, *map(shlex.quote, options)])}`"


def call_of_run() -> list[str]:
    """Return the words of the command that started this run; none if no run was started."""
    return shlex.split(os.environ.get(CALL, "").partition("\n")[0])


def _options_of_call() -> list[str]:
    return shlex.split(os.environ.get(CALL, "").partition("\n")[2])


# ---- classes -----------------------------------------------------------------------------------


class JwmirrorError(Exception):
    """Any error that jwmirror raises on purpose; its text is meant for the user, and printable."""

    def __str__(self) -> str:
        return printable(super().__str__(), LINES)

    def __reduce__(self) -> tuple[object, ...]:
        """Let another process have it: pickle would call a constructor with the text only."""
        return _restored, (type(self), self.args), self.__dict__


def _restored(kind: type[JwmirrorError], args: tuple[object, ...]) -> JwmirrorError:
    return kind.__new__(kind, *args)


class ConfigError(JwmirrorError):
    """The user's config is not valid; `mistakes` has one line for each mistake."""

    def __init__(self, mistakes: list[str]):
        self.mistakes = [printable(mistake) for mistake in mistakes]
        super().__init__("\n".join(self.mistakes))


class ArchiveError(JwmirrorError):
    """MAST did not answer, or its answer is incomplete or not credible."""


class UnknownProgramError(ArchiveError):
    """MAST lists no observation of a program of the config."""


class RejectedError(ArchiveError):
    """A downloaded file is not what was announced; it was never stored under its name."""

    outcome = "the file was moved to quarantine/"

    def __init__(self, filename: str, what: str, expected: object, found: object):
        self.filename, self.what, self.expected, self.found = filename, what, expected, found
        super().__init__(
            f"{what} of {filename}: expected {expected}, got {found}; {self.outcome}; "
            "a later run requests it again."
        )


class OversizedError(RejectedError):
    """A file has more bytes than it may have; its download was stopped."""

    outcome = "the download was stopped and nothing of it was kept"


class WithheldError(ArchiveError):
    """MAST withholds a product (HTTP 401 or 403): exclusive access, or a token without effect.

    `until` says when it will be public; `variable` is that of the token in the environment.
    """

    def __init__(
        self, filename: str, host: str, status: int, until: str, variable: str, is_shown: bool
    ):
        self.filename, self.status, self.is_token_shown = filename, status, is_shown
        why = (
            f"the token in {variable} was rejected: it has expired, or does not cover this "
            f"product; make a new one at {NEW_TOKEN}; a run with it requests the file again."
            if is_shown
            else f"no token was shown; set one that covers it in {variable} (archive.token_env in "
            "the config); it will be requested again by the next run."
        )
        super().__init__(f"{filename}: withheld: {host} answered {status}; {until}; {why}")


class MaintenanceError(ArchiveError):
    """A server answered with a web page in place of data, as MAST and CRDS do in maintenance."""

    def __init__(self, what: str, server: str, host: str, status: int, title: str):
        self.server, self.host, self.status, self.title = server, host, status, title
        super().__init__(
            f"{what}: {server} is in maintenance: {host} answered with status {status} and a web "
            f"page ({title}) in place of data; nothing of it was stored; the next run requests it "
            "again."
        )


class ReferencesError(JwmirrorError):
    """CRDS did not answer, or a reference file is not the one that its context names."""


class MissingSliceError(ReferencesError):
    """A slice of Gaia is not in the mirror, and was not fetched."""


class StoreError(JwmirrorError):
    """The mirror on disk is damaged, or cannot do what was requested."""


class ClosedError(StoreError):
    """A file that this user may not read; in a mirror, it describes exclusive data."""

    def __init__(self, path: object):
        super().__init__(
            f"{path}: you may not read it; its owner may, and for a record of a mirror that has "
            "numbers measured on exclusive data, also the group that archive.group names."
        )


class LockedError(StoreError):
    """Another process has locked the mirror; nothing was changed."""

    def __init__(
        self, mirror: str, purpose: str, pid: int, host: str, since: str, unsure: str = ""
    ):
        self.purpose, self.pid, self.host, self.since = purpose, pid, host, since
        wait = f"; {command_to_run('wait=True')} waits for it" if call_of_run() else ""
        super().__init__(
            f"mirror {Path(mirror).absolute()}: {purpose} (process {pid} on {host}, since {since}) "
            f"is at work on it{unsure}; nothing was changed; run again when it has ended{wait}."
        )


class LimitError(JwmirrorError):
    """A run would fetch or compute more than the config allows; it did neither."""


class CalibrationError(JwmirrorError):
    """One exposure or association cannot be calibrated; the others are not affected."""


# ---- wording -----------------------------------------------------------------------------------


def plain_text(error: BaseException) -> str:
    """Return the text of an error as a printable line, without the number of a system error."""
    text = re.sub(r"\[Errno -?\d+\] ", "", " ".join(str(error).split()))
    return printable(OF_RECORD.sub(lambda found: _kinds(found[1], found[2]), text))


def _kinds(expected: str, found: str) -> str:
    """Return what msgspec says of a value of another kind, without the names of types."""
    kinds = [
        " or ".join(KINDS.get(name, name) for name in names.split(" | "))
        for names in (expected, found)
    ]
    return f"expected {kinds[0]}, found {kinds[1]}"


def disk_error(error: BaseException | None) -> OSError | None:
    """Return the error of a disk (full, quota, read-only, I/O) that led to an error, if one did.

    Libraries raise other errors in its place, without its number; Python links them.
    """
    while error is not None and not (isinstance(error, OSError) and error.errno in DISK):
        error = error.__cause__ or error.__context__
    return error


def disk_line(error: OSError, place: object = "") -> str:
    """Return a line on a `disk_error`: what it is, the file (or `place`), and the next step."""
    name, step = DISK[error.errno or errno.EIO]
    where = "" if error.filename or not place else f", writing {place}"
    return f"{name}: {plain_text(error)}{where}; {step}, then run again."


def path_error(error: BaseException | None) -> OSError | None:
    """Return an error of the system that names a path, if it is one that the user can correct."""
    is_one = isinstance(error, OSError) and error.errno in PATHS and error.filename is not None
    return error if is_one and isinstance(error, OSError) else None


def path_line(error: OSError) -> str:
    """Return a line on a `path_error`: the path, what is wrong with it, and the next step."""
    name = os.fsdecode(error.filename) if isinstance(error.filename, bytes) else error.filename
    path = printable(str(Path(str(name)).absolute()))
    return f"{path}: {error.strerror}; {PATHS[error.errno or errno.ENOENT]}, and call again."


def error_line(error: BaseException) -> str:
    """Return a text for people on any error: of jwmirror, of disk or path, or of a library."""
    if isinstance(error, JwmirrorError):
        return str(error)
    if refused := disk_error(error):
        return disk_line(refused)
    return path_line(wrong) if (wrong := path_error(error)) else repr(error)


@contextmanager
def failures_as(error: Callable[[str], JwmirrorError]) -> Iterator[None]:
    """Convert every failure to read something foreign to the error that `error` makes of its text.

    Errors of jwmirror itself pass unchanged.
    """
    try:
        yield
    except JwmirrorError:
        raise
    except Exception as err:  # astropy, asdf, PyYAML, jwst and crds raise any class
        raise error(_reason(err)) from err


def _reason(err: Exception) -> str:
    """Return what a parser complains of, in one line."""
    text = plain_text(err) or type(err).__name__
    return (f"{text} is missing" if type(err) is KeyError else text)[:MAX_TEXT]


def is_of_this_machine(error: JwmirrorError) -> bool:
    """Return whether memory or disk of this machine failed, and not the content of a file."""
    cause = error.__cause__
    return isinstance(cause, MemoryError) or bool(isinstance(cause, OSError) and cause.errno)


def suggest(name: object, names: Iterable[object], most: int = 1, least: float = 0.6) -> list[str]:
    """Return the names most like a name, the nearest first. Case does not matter.

    Names that are less alike than `least` (0 to 1) are left out.
    """
    by_lower = {str(other).lower(): str(other) for other in names}
    near = difflib.get_close_matches(str(name).lower(), by_lower, most, least)
    return [by_lower[lower] for lower in near]


def in_yaml(value: object) -> str:
    """Return a value as it is written in a config: 'text', true, null, [100, 100]."""
    return repr(value) if isinstance(value, str) else json.dumps(value, default=str)


def unknown_name(kind: str, name: object, allowed: Collection[object], where: str = "") -> str:
    """Return words for a name that does not exist: the nearest one, and those that are allowed."""
    if not allowed:
        return f"unknown {kind} {name!r}; no other {kind} is defined"
    names = list(dict.fromkeys(map(str, allowed)))
    if name not in allowed and name in names:  # '1' for 1
        return f"unknown {kind} {name!r}; write it without quotes"
    near, listed = suggest(name, names), f"allowed are {', '.join(names)}"
    is_long = len(names) > (MAX_BESIDE if near else MAX_LISTED)
    guess = _as_near(name, near[0], names) if near and is_long else near
    hint = f"did you mean {_either(guess)}? " if near else ""
    if is_long:
        listed = "" if near else f"similar are {', '.join(suggest(name, names, 10, 0.0))}"
    return f"unknown {kind} {name!r}{where}; {hint}{listed}".rstrip()


def _as_near(name: object, best: str, names: Sequence[str]) -> list[str]:
    """Return the names that are as like a name as the best one is: NRCALONG and NRCBLONG."""
    matcher = difflib.SequenceMatcher(None, str(name).lower(), best.lower())
    return suggest(name, names, 3, matcher.ratio() - 0.01)


def _either(names: Sequence[str]) -> str:
    """Return names as alternatives: 'a', 'b' or 'c'."""
    *others, last = map(repr, names)
    return f"{', '.join(others)} or {last}" if others else last


def did_you_mean(name: object, names: Iterable[object]) -> str:
    """Return "; did you mean 'x'?" with the nearest of some names; empty if none is near."""
    near = suggest(name, names)
    return f"; did you mean {near[0]!r}?" if near else ""


def some_of(names: Iterable[object], most: int = 10) -> str:
    """Return the first names of a list, sorted, and how many others there are; "none" of none."""
    listed = sorted(map(str, names))
    more = f" and {len(listed) - most} more" if len(listed) > most else ""
    return f"{', '.join(listed[:most]) or 'none'}{more}"
