"""Another Python environment with a jwst of its own: what it says of parameters and references.

`python -m jwmirror.planning.remote_resolver`, run by that environment's Python, reads questions
from standard input and answers on standard output, a line of JSON each. Parameters, their
defaults and the reference types differ between versions of jwst, so only that version knows them.
"""

import contextlib
import os
import subprocess
import sys
import weakref
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from jwmirror.core.errors import CalibrationError, ConfigError, JwmirrorError, ReferencesError
from jwmirror.core.model import canonical, parse
from jwmirror.pipeline.child_environment import environment_of_children
from jwmirror.planning.resolver import Resolver, Settled

T = TypeVar("T")
FAMILIES = {each.__name__: each for each in (CalibrationError, ReferencesError)}
Layers = tuple[tuple[str, dict[str, Any]], ...]


@dataclass(frozen=True, kw_only=True)
class Opening:
    """What the resolver there is made of; as Resolver's own."""

    cache: str
    context: str
    sha1s: dict[str, str]
    base: str


@dataclass(frozen=True)
class Question:
    """A method and its arguments."""

    method: str
    arguments: tuple[Any, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What the method gave, as JSON; or the class of its error, and what that says."""

    value: str = ""
    error: str = ""
    message: str = ""


# ---- here ------------------------------------------------------------------------------------


class Elsewhere:
    """A resolver in the environment of another Python; its process starts with the first question.

    Raises what a Resolver raises; CalibrationError where that environment does not work.
    """

    def __init__(
        self, python: str, cache: Path, context: str, sha1s: Mapping[str, str], base: Path
    ):
        self.python, self.context = python, context
        self._opening = Opening(
            cache=str(cache), context=context, sha1s=dict(sha1s), base=str(base)
        )
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def engine(self) -> dict[str, str]:
        """The versions there that a key depends on."""
        return self._ask("engine", dict[str, str])

    def settle(self, pipeline: str, header: str, asked: Mapping[str, Any]) -> Settled:
        """As Resolver.settle."""
        return self._ask("settle", Settled, pipeline, header, asked)

    def pars(self, pipeline: str, header: str) -> Iterator[tuple[str, dict[str, Any]]]:
        """As Resolver.pars."""
        return iter(self._ask("pars", Layers, pipeline, header))

    def needed(self, wanted: Iterable[tuple[str, Sequence[str]]]) -> tuple[str, ...]:
        """As Resolver.needed."""
        return self._ask("needed", tuple[str, ...], tuple(wanted))

    def mistakes(self, given: Mapping[str, Any], place: str) -> tuple[str, ...]:
        """As mistakes.mistakes."""
        return self._ask("mistakes", tuple[str, ...], given, place)

    def _ask(self, method: str, kind: type[T], *arguments: Any) -> T:
        try:
            process = self._started()
            _send(process.stdin, Question(method, arguments))
            line = process.stdout.readline()
        except OSError:
            line = b""
        if not line:
            raise CalibrationError(
                f"{self.python} ended when it was asked for {method}; does it have jwst and "
                "msgspec? `make environments` makes those that come with jwmirror."
            )
        answer = parse(line, Answer)
        if answer.error == ConfigError.__name__:
            raise ConfigError(answer.message.splitlines())
        if answer.error:
            raise FAMILIES.get(answer.error, CalibrationError)(answer.message)
        return parse(answer.value, kind)

    def _started(self) -> "subprocess.Popen[bytes]":
        if self._process is None:
            self._process = subprocess.Popen(
                [self.python, "-P", "-m", "jwmirror.planning.remote_resolver"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env=environment_of_children(),
            )
            weakref.finalize(self, _end, self._process)
            _send(self._process.stdin, self._opening)
        return self._process


def _send(pipe: Any, record: Any) -> None:
    pipe.write(canonical(record).encode() + b"\n")
    pipe.flush()


def _end(process: "subprocess.Popen[bytes]") -> None:
    """Close its input, which ends it."""
    with contextlib.suppress(BrokenPipeError):
        process.stdin.close()
    process.stdout.close()
    process.wait()


# ---- there -----------------------------------------------------------------------------------


def answer(resolver: Resolver, base: Path, question: Question) -> Answer:
    """What the resolver, or the check of parameters, says to a question."""
    from jwmirror.pipeline.parameters.checks import mistakes

    try:
        if question.method == "engine":
            value = resolver.engine
        elif question.method == "mistakes":
            value = tuple(mistakes(*question.arguments, base))
        else:
            value = getattr(resolver, question.method)(*question.arguments)
            value = tuple(value) if isinstance(value, Iterator | zip) else value
    except JwmirrorError as err:
        return Answer(error=type(err).__name__, message=str(err))
    return Answer(value=canonical(value))


def main() -> None:
    """Answer what standard input asks; prints go to standard error."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    opening = parse(sys.stdin.buffer.readline(), Opening)
    base = Path(opening.base)
    resolver = Resolver(Path(opening.cache), opening.context, opening.sha1s, base)
    for line in sys.stdin.buffer:
        _send(answers, answer(resolver, base, msgspec.json.decode(line, type=Question)))


if __name__ == "__main__":
    main()
