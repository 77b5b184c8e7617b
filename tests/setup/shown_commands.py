"""Call the commands that a page shows, in order, and compare what they print with the page.

Of the blocks of a page, `console` has commands behind `$ ` and what they print, in which `...`
stands for anything; `yaml config` has what the reader writes into the config; `python NAME.py` is a
file that the reader writes. Commands of other blocks, and those in the text, are called by
`called_commands.py`.
"""

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from doctest import ELLIPSIS, NORMALIZE_WHITESPACE, OutputChecker
from pathlib import Path

import yaml

from demo.site import Site
from jwmirror.config.recipes.parameter_files import overlay

DOCS = Path(__file__).parents[2] / "docs"
CALLED_PAGES = (  # in this order, on one mirror
    "tutorial.md",
    "howto/parameter.md",
    "howto/paper.md",
    "howto/own-step.md",
)
BLOCK = re.compile(r"^```(console|yaml config|python \S+\.py)\n(.*?)^```", re.M | re.S)
COMMAND = re.compile(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", re.M)
TIME = re.compile(r"\d{4}-\d\d-\d\d(?: \d\d:\d\d UTC)?|\d+(?:\.\d+)? s\b")
ARCHIVE = "http://127.0.0.1:24000"  # of the demo, unless another program has the port
WIDE = "400"  # columns: no line is wrapped


@dataclass(frozen=True)
class Shown:
    """A command of a page, and the difference of its output from the page; empty if none."""

    page: str
    command: str
    difference: str


def shown_commands(page: Path) -> list[tuple[str, str]]:
    """Return the commands of a page that are shown with what they print."""
    blocks = [text for kind, text in BLOCK.findall(page.read_text()) if kind == "console"]
    return [shown for text in blocks for shown in COMMAND.findall(text)]


def call_shown(page: Path, site: Site) -> list[Shown]:
    """Do what a page shows in the folder of a site, and return what was called."""
    found: list[Shown] = []
    for kind, text in BLOCK.findall(page.read_text()):
        if kind == "console":
            found += [
                Shown(page.name, command, _difference(command, wanted, site))
                for command, wanted in COMMAND.findall(text)
            ]
        elif kind == "yaml config":
            config = yaml.safe_load(site.config_file.read_text())
            site.config_file.write_text(
                yaml.safe_dump(overlay(config, yaml.safe_load(text)), sort_keys=False)
            )
        else:
            (site.folder / kind.removeprefix("python ")).write_text(text)
    return found


def _difference(command: str, wanted: str, site: Site) -> str:
    """Return what a command printed if it is not what the page shows, or if it failed."""
    programs = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
    clean = {name: value for name, value in os.environ.items() if not name.startswith("CRDS")}
    done = subprocess.run(
        ["bash", "-c", command.replace(ARCHIVE, site.observatory.archive_url)],
        cwd=site.folder,
        env=clean | {"COLUMNS": WIDE, "PATH": programs},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if done.returncode:
        return f"exit code {done.returncode}:\n{done.stdout}"
    shown, printed = (TIME.sub("TIME", text) for text in (wanted, done.stdout))
    flags = ELLIPSIS | NORMALIZE_WHITESPACE
    if OutputChecker().check_output(_lines(shown), _lines(printed), flags):
        return ""
    return f"the page shows:\n{wanted}\nprinted was:\n{done.stdout}"


def _lines(text: str) -> str:
    """Return the lines that are not empty."""
    return "\n".join(line.rstrip() for line in text.splitlines() if line.strip()) + "\n"
