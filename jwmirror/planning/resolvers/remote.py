"""A resolver that runs in another Python environment, which may have another version of jwst.

`python -m jwmirror.planning.resolvers.remote` is run by that environment's Python. It reads
questions from standard input and writes answers to standard output, one line of JSON each.
Parameters, their defaults and the reference types differ between versions of jwst.
"""

import os
import subprocess
import sys
import weakref
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, NamedTuple, TypeVar

import msgspec

from jwmirror.core.errors import CalibrationError, ConfigError, JwmirrorError, ReferencesError
from jwmirror.core.model import canonical, parse
from jwmirror.core.model.parameters import PlainMapping, Remarks
from jwmirror.core.printing import PrintableStream
from jwmirror.pipeline.allowed_environments import allowed_python
from jwmirror.pipeline.child_environment import child_environment
from jwmirror.pipeline.time_limit import TimeLimit, kill_group, opened_pipe
from jwmirror.planning.resolvers.local import Layers, LocalResolver, ResolvedStage

T = TypeVar("T")
ANSWER_S = 600.0  # for one answer; the first one takes the import of jwst
END_S = 10.0  # for the end of a process whose input was closed
ERRORS = {error.__name__: error for error in (CalibrationError, ReferencesError)}


class Opening(NamedTuple):
    """The arguments of the LocalResolver that answers; sent first."""

    cache: str
    context: str
    sha1s: dict[str, str]
    base: str


@dataclass(frozen=True)
class Question:
    """A method or property of Resolver, and the arguments."""

    method: str
    arguments: tuple[Any, ...] = ()  # plain values, as JSON has them


@dataclass(frozen=True, kw_only=True)
class Answer:
    """The value as JSON; or the class and the message of the error."""

    value: str = ""
    error: str = ""
    message: str = ""


# ---- in this process -------------------------------------------------------------------------


class RemoteResolver:
    """A Resolver with the jwst of another Python; its process starts with the first question.

    Also raises CalibrationError if that environment does not work or does not answer in time, or
    if the user has not allowed it.
    """

    def __init__(
        self, python: str, cache: Path, context: str, sha1s: Mapping[str, str], base: Path
    ):
        self.python = python
        self._opening = Opening(str(cache), context, dict(sha1s), str(base))
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def engine(self) -> Mapping[str, str]:
        """As Resolver.engine."""
        return self._ask("engine", dict[str, str])

    @property
    def software(self) -> Mapping[str, str]:
        """As Resolver.software."""
        return self._ask("software", dict[str, str])

    def resolve(self, pipeline: str, header: str, requested: PlainMapping) -> ResolvedStage:
        """As Resolver.resolve."""
        return self._ask("resolve", ResolvedStage, pipeline, header, requested)

    def pars(self, pipeline: str, header: str) -> Layers:
        """As Resolver.pars."""
        return self._ask("pars", Layers, pipeline, header)

    def needed(self, wanted: Iterable[tuple[str, Sequence[str]]]) -> tuple[str, ...]:
        """As Resolver.needed."""
        return self._ask("needed", tuple[str, ...], tuple(wanted))

    def remarks(self, parameters: PlainMapping, place: str, is_exported: bool = False) -> Remarks:
        """As Resolver.remarks."""
        return self._ask("remarks", Remarks, parameters, place, is_exported)

    def skipped_steps(self, pipeline: str) -> Sequence[str]:
        """As Resolver.skipped_steps."""
        return self._ask("skipped_steps", tuple[str, ...], pipeline)

    def _ask(self, method: str, kind: type[T], *arguments: object) -> T:
        answer = self._answer(Question(method, arguments))
        if answer.error == ConfigError.__name__:
            raise ConfigError(answer.message.splitlines())
        if answer.error:
            raise ERRORS.get(answer.error, CalibrationError)(answer.message)
        return parse(answer.value, kind)

    def _answer(self, question: Question) -> Answer:
        """Return the answer of the process, which is killed if it takes too long."""
        process, line = self._started(allowed_python(self.python)), b""
        with suppress(OSError), TimeLimit(process, ANSWER_S) as limit:
            if process.poll() is None:  # else there may be late answers to read
                _send(process.stdin, question)
                line = opened_pipe(process.stdout).readline()
        if limit.is_over:
            why = f"did not answer {question.method} within {ANSWER_S:g} s, and was stopped"
        elif not line:
            why = f"ended before it answered {question.method}"
        else:
            with suppress(msgspec.DecodeError):
                return parse(line, Answer)
            why = f"gave no answer to {question.method}, but printed {line[:80]!r}"
        kill_group(process)  # a later question must not read a late answer
        process.wait()
        raise CalibrationError(
            f"{self.python} {why}; does it have jwst and msgspec? `make environments` makes those "
            "that come with jwmirror."
        )

    def _started(self, python: str) -> subprocess.Popen[bytes]:
        """Return the process; start it if it does not run yet."""
        if self._process is None:
            self._process = subprocess.Popen(
                [python, "-P", "-m", "jwmirror.planning.resolvers.remote"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env=child_environment(),
                start_new_session=True,  # what it starts can be killed with it
            )
            weakref.finalize(self, _end, self._process)
            with suppress(OSError):  # it has ended; the next question finds that
                _send(self._process.stdin, self._opening)
        return self._process


def _end(process: subprocess.Popen[bytes]) -> None:
    """Close the input of a process, which ends it; kill it if it does not end."""
    try:
        process.communicate(timeout=END_S)
    except subprocess.TimeoutExpired:
        kill_group(process)
        process.communicate()


def _send(pipe: IO[bytes] | None, record: object) -> None:
    pipe = opened_pipe(pipe)
    pipe.write(canonical(record).encode() + b"\n")
    pipe.flush()


# ---- in the process of the other environment -------------------------------------------------


def answer(resolver: LocalResolver, question: Question) -> Answer:
    """Return the resolver's answer to a question, or the error that it raised."""
    try:
        value = getattr(resolver, question.method)
        value = value(*question.arguments) if callable(value) else value
    except JwmirrorError as err:
        return Answer(error=type(err).__name__, message=str(err))
    return Answer(value=canonical(value))


def main() -> None:
    """Answer the questions on standard input; what jwst prints goes to standard error."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    sys.stdout = sys.stderr = PrintableStream(sys.stderr)
    cache, context, sha1s, base = parse(sys.stdin.buffer.readline(), Opening)
    resolver = LocalResolver(Path(cache), context, sha1s, Path(base))
    for line in sys.stdin.buffer:
        _send(answers, answer(resolver, parse(line, Question)))


if __name__ == "__main__":
    main()
