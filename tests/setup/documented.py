"""The commands that the pages for users show: in blocks, and in the text between backquotes."""

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
SERVICES = ("journalctl", "loginctl", "systemctl", "systemd-analyze")
OTHERS = ("git", "pip", "rsync", "scontrol", "sinfo", *SERVICES)
PROGRAMS = {"jwmirror", "snakemake", "make", "python", "python3", *OTHERS}
FENCE = re.compile(r" *```")
INDENTED = re.compile(r" {4,}\S")
MENTION = re.compile(r"(?<!`)`([^`]+)`(?!`)")
SEPARATOR = re.compile(r"\s+(?:&&|\|\||;|>>?)\s+")
ASSIGNMENT = re.compile(r"[A-Z_]+=")


@dataclass(frozen=True)
class DocumentedCommand:
    """A command on a page; one in a block can be called as it stands."""

    page: str
    words: tuple[str, ...]  # the program first, without comments, assignments and redirections
    is_mention: bool  # in the text, where arguments may be missing

    def __str__(self) -> str:
        return f"{self.page}: {' '.join(self.words)}"


def user_pages() -> list[Path]:
    """Return the pages for users: README, config and docs, without the decisions.

    And without docs/mistakes.md, whose calls are wrong on purpose, and made by tests.mistakes.
    """
    pages = [path for path in (ROOT / "docs").rglob("*.md") if path.parent.name != "decisions"]
    pages.remove(ROOT / "docs" / "mistakes.md")
    return [ROOT / "README.md", ROOT / "config" / "README.md", *sorted(pages)]


def documented_commands(path: Path) -> list[DocumentedCommand]:
    """Return the commands of one page, in order."""
    page, commands, text = path.relative_to(ROOT).as_posix(), [], []
    is_fenced = False
    for line in path.read_text().splitlines():
        if FENCE.match(line):
            is_fenced = not is_fenced
        elif is_fenced or ((not text or not text[-1]) and INDENTED.match(line)):
            commands += [
                DocumentedCommand(page, words, False) for words in commands_in(line.strip())
            ]
        else:
            text.append(line.strip())
    for mention in MENTION.findall("\n".join(text)):
        line = mention.replace("\\|", "|").replace("\n", " ")
        commands += [DocumentedCommand(page, words, True) for words in commands_in(line)]
    return commands


def commands_in(line: str) -> list[tuple[str, ...]]:
    """Return the commands that one line calls."""
    found = map(command_words, SEPARATOR.split(line.removeprefix("$ ")))
    return [words for words in found if words]


def command_words(text: str) -> tuple[str, ...]:
    """Return the words of one call of a program that we document; () if it is none."""
    text = re.split(r"\s{2,}|\s#", re.sub(r"\$\([^)]*\)", "VALUE", text))[0].removesuffix(" &")
    try:
        words = shlex.split(text)
    except ValueError:  # a quotation mark of a sentence
        return ()
    while words and ASSIGNMENT.match(words[0]):
        del words[0]
    if len(words) < 2 or words[0].rpartition("/")[2] not in PROGRAMS:
        return ()
    return (words[0].rpartition("/")[2], *words[1:])
