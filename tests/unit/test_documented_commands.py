"""Every command that the pages for users show exists, with its options and arguments."""

import importlib.util
import re
import shlex
from fnmatch import fnmatch

import pytest
from snakemake.cli import get_argument_parser
from typer.main import get_command

from jwmirror.cli import app
from jwmirror.cli.app import COMMANDS
from jwmirror.services.start.snakemake import snakemake_arguments
from jwmirror_simulator.__main__ import _parser
from tests.setup.called_commands import (
    NOT_CALLED,
    all_commands,
    called_words,
    is_called,
    is_left_out,
    shown_words,
    spoken,
)
from tests.setup.documented import OTHERS, ROOT, documented_commands, user_pages

PLACEHOLDERS = {"PROGRAM": "1538", "P": "1538", "N": "3", "D": "30", "COMMAND": "log"}
INCOMPLETE = {"MissingParameter", "BadOptionUsage"}  # of a mention such as `plan --context`
TARGETS = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.M))
GROUP = get_command(app)


def plain(words):
    """Words without the signs of a synopsis: brackets, dots, alternatives."""
    bare = [re.sub(r"[\[\]]|\.\.\.", "", word) for word in words]
    first = [word.split("|")[0] if word.strip("|") else "" for word in bare]
    return [PLACEHOLDERS.get(word, word) for word in first if word]


def jwmirror_mistake(words, is_mention):
    """Why a call of `jwmirror` is wrong; nothing is run. Empty if it is right."""
    words, names, command = plain(words), ["jwmirror"], GROUP
    context = GROUP.make_context("jwmirror", [], resilient_parsing=True)
    while words and hasattr(command, "get_command"):
        if words[0].startswith("-"):
            break
        names.append(words.pop(0))
        command = command.get_command(context, names[-1])
        if command is None:
            return f"there is no command {' '.join(names)}"
    if command is GROUP or hasattr(command, "get_command"):
        known = {option for each in command.get_params(context) for option in each.opts}
        unknown = {word for word in words if word.startswith("--")} - known
        return f"there is no option {unknown}" if unknown else ""
    if names[-1] == "run":
        return snakemake_mistake(snakemake_arguments(words, ROOT))
    try:
        command.make_context(names[-1], words, parent=context)
    except Exception as error:  # of the click inside typer, which does not export its classes
        kind = type(error).__name__
        is_fine = kind == "Exit" or (is_mention and kind in INCOMPLETE)
        return "" if is_fine else f"{kind} {getattr(error, 'message', error)}"
    return ""


def snakemake_mistake(words):
    """Why a call of `snakemake` is wrong; nothing is run."""
    try:
        get_argument_parser().parse_args(words)
    except SystemExit as end:
        return "Snakemake does not know this option or argument" if end.code else ""
    return ""


def python_mistake(words):
    """Why a call of `python -m MODULE` is wrong; nothing is run."""
    if words[0] == "-c":
        return ""
    if words[0] != "-m":
        return "" if (ROOT / words[0]).exists() else f"there is no file {words[0]}"
    module = words[1]
    if importlib.util.find_spec(module) is None:
        return f"there is no module {module}"
    if module == "jwmirror_simulator":
        try:
            _parser().parse_args(plain(words[2:]))
        except SystemExit as end:
            return "the simulator does not know this call" if end.code else ""
    return jwmirror_mistake(words[2:], True) if module == "jwmirror" else ""


def mistake(command):
    """Why a documented command is wrong; empty if it is right."""
    program, *words = command.words
    if program == "jwmirror":
        return jwmirror_mistake(words, command.is_mention)
    if program == "snakemake":
        return snakemake_mistake(words)
    if program == "make":
        return "".join(
            f"no target {word}"
            for word in words
            if re.fullmatch("[a-z]+", word) and word not in TARGETS
        )
    return "" if program in OTHERS else python_mistake(words)


@pytest.mark.parametrize("path", user_pages(), ids=lambda path: path.name)
def test_every_command_of_a_page_exists(path, capsys):
    """Command, options, number of arguments: they are parsed as when they are called."""
    wrong = {str(each): why for each in documented_commands(path) if (why := mistake(each))}

    assert wrong == {}


def test_every_command_of_a_page_is_called_or_has_a_reason():
    """tests/workflow/test_main_job.py calls all but those of `NOT_CALLED`, which has no others."""
    others = [words for words in all_commands() if words not in shown_words()]

    assert [spoken(words) for words in others if not (is_called(words) or is_left_out(words))] == []
    assert [each for each in NOT_CALLED if not any(fnmatch(spoken(w), each) for w in others)] == []
    assert (len(shown_words()) > 20, sum(map(is_called, others)) > 80) == (True, True)


def test_no_reason_is_for_commands_to_come():
    """A pattern is for one command, except for programs of others."""
    own = ("jwmirror ", "snakemake ", "make ", "python ", "pip ")

    patterns = [each for each in NOT_CALLED if each.startswith(own) and "*" in each]

    assert patterns == []


def test_reasons_name_tests_that_exist():
    """A file that a reason of `NOT_CALLED` names is there."""
    named = {name for why in NOT_CALLED.values() for name in re.findall(r"tests/\S+\.py", why)}

    assert {name for name in named if not (ROOT / name).exists()} == set()
    assert len(named) > 5


def test_a_synopsis_is_called_with_what_the_demo_has():
    """Without brackets, with the first alternative; a word may depend on the one before it."""
    words = shlex.split("checkout GEN --to DIR [--mode symlink|hardlink] --program P")

    called = spoken(called_words(words))

    assert called == "checkout 4 --to NEW --mode symlink --program 1345"


def test_wrong_commands_are_found():
    """An unknown command, option, argument too many, and a missing one in a block."""
    calls = ("explain", "diff 1 2 f g", "diffs 1 2", "log --nonsense", "references bundles --sync")

    assert all(jwmirror_mistake(call.split(), False) for call in calls)
    assert jwmirror_mistake(["explain"], True) == ""
    assert snakemake_mistake(["--no-such-option"])
    assert python_mistake(["-m", "jwmirror_simulator", "nothing"])


def test_the_page_of_options_has_every_command_and_option(monkeypatch):
    """The site of the documentation has what `jwmirror COMMAND -h` prints."""
    monkeypatch.syspath_prepend(ROOT / "docs")
    from options import options_page

    page = options_page()

    sections = dict(re.findall(r"^## jwmirror (\S+)(.*?)(?=^## |\Z)", page, re.M | re.S))
    assert set(COMMANDS) == set(sections)
    assert "| `--mode <symlink\\|hardlink\\|reflink\\|copy>` |" in sections["checkout"]
    assert all("| `--json` |" in text for name, text in sections.items() if name != "run")
    assert "## jwmirror references bundle" in page


def test_the_pages_show_many_commands_and_every_one_of_jwmirror():
    """So that the collection of commands is not empty by a mistake."""
    found = [each for path in user_pages() for each in documented_commands(path)]
    reference = {each.words[1] for each in found if each.page == "docs/commands.md"}

    assert sum(not each.is_mention for each in found) > 30
    assert set(COMMANDS) <= reference
