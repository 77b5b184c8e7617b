"""What holds for each message to a person."""

import re
from collections.abc import Iterator

from tests.mistakes.mistake import Mistake, Outcome

MAX_LINES = 12
FOREIGN = re.compile(  # words of Python, and regular expressions
    r"Traceback|<class|NoneType|Expected `|PosixPath|object at 0x|Errno|Exception|[a-z]+Error\b"
    r"|\b(dict|tuple|str|bool|int|float|None)\b"
    r"|\^\[|\[[^\] ]*[a-z0-9]-[a-z0-9][^\] ]*\][*+]|\\[dwsZ]|\(\?"
)
WORDS_OF_RUNS = {"jwmirror": "`snakemake", "snakemake": "`jwmirror run"}


def broken_rules(mistake: Mistake, outcome: Outcome) -> Iterator[str]:
    """Yield what is wrong with a message."""
    text = outcome.message
    lines = text.splitlines()
    if outcome.code != mistake.code:
        yield f"exit code {outcome.code}, expected {mistake.code}"
    for name in ("where", "found", "step"):
        if not getattr(mistake, name) or getattr(mistake, name) not in text:
            yield f"{name} is missing: {getattr(mistake, name)}"
    if foreign := FOREIGN.search(text):
        yield f"foreign words: {foreign[0]}"
    if not text.isascii():
        yield "not ASCII"
    if len(lines) > MAX_LINES:
        yield f"{len(lines)} lines"
    if WORDS_OF_RUNS[mistake.command.split()[0]] in text:
        yield "it names the command that was not called"
