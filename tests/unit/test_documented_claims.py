"""Claims of the pages that users and their programs rely on."""

import re
from dataclasses import fields, is_dataclass
from importlib import import_module
from pathlib import Path
from typing import get_args, get_type_hints

import pytest
from typer.main import get_group

from jwmirror.cli import app
from jwmirror.cli.app import COMMANDS
from jwmirror.core.model import Entry, Product
from jwmirror.core.model.stored import Generation, ResultFile
from jwmirror.store.maintenance.checkout import OWN
from tests.setup.command_line import answer, run

DOCS = Path(__file__).parents[2] / "docs"
REBUILT = {"views", "current", "locks", "work"}  # need no backup


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["as-of", "yesterday", "--to", "{new}"], 1),
        (["checkout", "99", "--to", "{new}"], 1),
        (["checkout", "1", "--to", "{full}"], 1),
        (["unpin", "nothing"], 1),
        (["prune"], 2),
        (["plan", "--set", "deep.detector1.jump.skip=true"], 2),
    ],
)
def test_exit_codes_are_those_of_the_page(small_mirror, tmp_path, words, code):
    """docs/errors.md and docs/commands.md: 1 for what is not there, 2 for a wrong call."""
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").write_text("x")
    places = {"new": tmp_path / "new", "full": tmp_path / "full"}

    run(*(word.format(**places) for word in words), "--mirror", small_mirror.root, code=code)


def test_new_step_does_not_overwrite(tmp_path, monkeypatch):
    """Exit code 2, as the page says."""
    monkeypatch.chdir(tmp_path)
    run("new-step", "remove_bands")

    run("new-step", "remove_bands", code=2)


@pytest.mark.parametrize(
    ("words", "code", "kind"),
    [
        (["log", "nothing.fits"], 1, "StoreError"),
        (["plan", "--set", "deep.detector1.jump.skip=true"], 2, "ConfigError"),
        (["log", "--nonsense"], 2, "NoSuchOption"),
        (["explain"], 2, "MissingParameter"),
    ],
)
def test_errors_are_json_with_json(small_mirror, words, code, kind):
    """In place of the answer: a program reads one document, whatever happens."""
    error = answer(*words, "--mirror", small_mirror.root, code=code)["error"]

    page = (DOCS / "commands.md").read_text()
    assert (error["kind"], error["exit_code"]) == (kind, code)
    assert {"StoreError": "nothing.fits", "MissingParameter": "argument FILE is missing"}.get(
        kind, ""
    ) in error["message"]
    assert error["message"]
    assert bool(error["mistakes"]) == (kind == "ConfigError")
    assert all(f"`{key}`" in page for key in ("error", *error))


def test_every_command_but_run_answers_in_json():
    """`run` passes its arguments to Snakemake."""
    for command in COMMANDS.values():
        import_module(f"jwmirror.cli.{command}")
    without = [
        name
        for group in get_group(app).commands.values()
        for name, each in getattr(group, "commands", {group.name: group}).items()
        if not any("--json" in option.opts for option in each.params)
    ]

    assert without == ["run"]


def test_the_commands_without_a_mirror_are_those_of_the_page():
    """All others take `--mirror DIR`; docs/commands.md lists the exceptions."""
    listed = re.search(r"`--mirror DIR` \(([^)]*)\shave no", (DOCS / "commands.md").read_text())[1]
    for command in COMMANDS.values():
        import_module(f"jwmirror.cli.{command}")

    without = {
        group.name
        for group in get_group(app).commands.values()
        for each in getattr(group, "commands", {"": group}).values()
        if not any("--mirror" in option.opts for option in each.params)
    }

    assert set(re.findall(r"`([a-z-]+)`", listed)) == without


def test_json_leaves_out_no_key(small_mirror):
    """Records on disk leave out defaults; answers do not."""
    found = answer("explain", "jw01345-o001_image3_asn.json", "--mirror", small_mirror.root)

    described = found["files"][0]["entry"]["product"]
    assert described.keys() == set(Product.__struct_fields__)
    assert described["exclusive"] is False


def test_every_key_of_every_answer_is_documented():
    """docs/commands.md names each field of each record that a command can print."""
    page, seen = (DOCS / "commands.md").read_text(), set()
    for command in COMMANDS.values():
        for function in vars(import_module(f"jwmirror.cli.{command}")).values():
            if getattr(function, "__module__", "").startswith("jwmirror.services."):
                _add_records(get_type_hints(function).get("return"), seen)

    names = {f"{record.__name__}.{name}" for record in seen for name in _keys(record)}
    missing = {name for name in names if f"`{name.partition('.')[2]}`" not in page}
    assert {Entry, ResultFile, Generation, Product} < seen and len(names) > 300
    assert missing - {"ConfigCheck.recipes"} == set()  # `check` prints a part of that record


def _add_records(kind, seen) -> None:
    """Add the records that values of a type can have, at any depth."""
    for part in get_args(kind):
        _add_records(part, seen)
    if (is_dataclass(kind) or hasattr(kind, "__struct_fields__")) and kind not in seen:
        seen.add(kind)
        hints = get_type_hints(kind)
        for name in _keys(kind):
            _add_records(hints[name], seen)


def _keys(record) -> list[str]:
    return (
        [each.name for each in fields(record)]
        if is_dataclass(record)
        else [*record.__struct_fields__]
    )


def test_every_page_has_its_place_in_the_documentation(monkeypatch):
    """In the navigation of the site, once; and in the table of the first page."""
    monkeypatch.syspath_prepend(DOCS)
    from pages import CONTENTS

    index = (DOCS / "index.md").read_text()
    names = [re.search(r"<(.*)>", each)[1] for titles in CONTENTS.values() for each in titles]
    pages = {path.relative_to(DOCS).with_suffix("").as_posix() for path in DOCS.rglob("*.md")}
    own = {name for name in pages if not name.startswith("decisions/")} - {"index"}

    assert own <= set(names) and len(names) == len(set(names))
    assert {name for name in own if f"({name}.md" not in index} == set()


def test_everything_that_needs_a_backup_is_on_the_page():
    """Each folder of a mirror is in the tree of the store, and in the page on keeping it."""
    tree, page = ((DOCS / name).read_text() for name in ("store.md", "keeping.md"))

    for folder in sorted({*OWN, "CURRENT"} - REBUILT):
        assert folder in tree and folder in page, folder
