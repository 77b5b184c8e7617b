"""The units of measured quantities are those of the documentation."""

import re
from pathlib import Path

from jwmirror.report.quality import UNITS, WORDS

PAGE = Path(__file__).parents[2] / "docs" / "quality.md"
ROW = re.compile(r"^\| ((?:`\w+`(?:, )?)+) \| (\w*) ?\| ", re.MULTILINE)


def test_explain_shows_the_units_that_the_documentation_names():
    """Of each quantity in the tables of docs/quality.md; a number of something has none."""
    rows = ROW.findall(PAGE.read_text().partition("## What is measured")[2])
    documented = {
        name.strip("`"): unit for names, unit in rows for name in names.split(", ") if unit
    }

    assert len(documented) > 12 and documented["shift"] == "mas"
    assert documented == UNITS


def test_every_documented_quantity_has_words_for_the_pages():
    """A quantity that is new in docs/quality.md does not show up on a page as its key."""
    rows = ROW.findall(PAGE.read_text().partition("## What is measured")[2])
    names = {name.strip("`") for each, _ in rows for name in each.split(", ")}

    assert names == set(WORDS)
