"""Claims of the pages that users and their programs rely on."""

from dataclasses import fields
from pathlib import Path

import pytest

from jwmirror.core.model import Entry, Product, canonical
from jwmirror.core.model.stored import Generation, ResultFile
from jwmirror.store.maintenance.checkout import OWN
from tests.setup.command_line import run
from tests.setup.records import product

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


def test_errors_are_plain_text_also_with_json(small_mirror):
    """Programs look at the exit code first."""
    said = run("log", "nothing.fits", "--mirror", small_mirror.root, "--json", code=1)

    assert said.startswith("nothing.fits")


def test_keys_of_rows_and_products_are_documented():
    """docs/commands.md names every key, and that a product leaves out defaults."""
    page = (DOCS / "commands.md").read_text()
    names = [each.name for kind in (Entry, ResultFile, Generation) for each in fields(kind)]

    missing = [name for name in (*names, *Product.__struct_fields__) if f"`{name}`" not in page]

    assert missing == []
    assert '"exclusive"' not in canonical(product())
    assert '"exclusive":true' in canonical(product(exclusive=True))


def test_everything_that_needs_a_backup_is_on_the_page():
    """Each folder of a mirror is in the tree of the store, and in the page on keeping it."""
    tree, page = ((DOCS / name).read_text() for name in ("store.md", "keeping.md"))

    for folder in sorted({*OWN, "CURRENT"} - REBUILT):
        assert folder in tree and folder in page, folder
