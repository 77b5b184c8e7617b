"""The page docs/mistakes.md."""

from collections.abc import Mapping
from pathlib import Path

from tests.mistakes import commands, configs, mirrors, recipes, runs, servers
from tests.mistakes.mistake import Mistake, Outcome, Section
from tests.mistakes.play import PORT, SHOWN_PORT

PAGE = Path(__file__).parents[2] / "docs" / "mistakes.md"
SECTIONS: tuple[Section, ...] = (
    configs.SECTION,
    recipes.SECTION,
    commands.SECTION,
    mirrors.SECTION,
    runs.SECTION,
    servers.SECTION,
)
MISTAKES = [mistake for section in SECTIONS for mistake in section.mistakes]
OPENING = """\
# Mistakes and messages

What people do wrong, and what they read then: {number} mistakes, each of which a test makes. Search
this page for words of your message. A message says where, what was found, what was expected, and
what to do next. Commands in it are as you would type them: with `jwmirror run` or `snakemake`,
whichever you called, and with your config.

The folder of the calls is `/home/you/jwst`, and `HOST` the name of the computer.
`python -m tests.mistakes` writes this page.
"""


def page(outcomes: Mapping[str, Outcome]) -> str:
    """Return the whole page; outcomes by what was done."""
    parts = [OPENING.format(number=len(MISTAKES))]
    for section in SECTIONS:
        parts += [f"## {section.title}\n"]
        parts += [transcript(mistake, outcomes[mistake.what]) for mistake in section.mistakes]
    return "\n".join(parts)


def transcript(mistake: Mistake, outcome: Outcome) -> str:
    """Return a mistake as the page has it: what was done, and a terminal."""
    variables = "".join(f"$ export {name}=...\n" for name in mistake.variables)
    call = f"{variables}$ {PORT.sub(SHOWN_PORT, mistake.command)}"
    return f"{mistake.what}:\n\n```text\n{call}\n{outcome.message}\n```\n"
