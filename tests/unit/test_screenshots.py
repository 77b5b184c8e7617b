"""The pictures of the site in the docs, one of each type of page (docs/screenshots.py)."""

from pathlib import Path

import pytest

from jwmirror.report.site.addresses import PAGE_FOLDERS, SINGLE_PAGES
from jwmirror.report.site.rendering import TEMPLATES
from tests.unit.test_site import write_pages

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture
def taken(small_mirror, monkeypatch) -> dict[str, Path]:
    """The page of each type that would be taken of the small mirror's site, by name."""
    monkeypatch.syspath_prepend(DOCS)
    from screenshots import pages_of

    return pages_of([write_pages(mirror=small_mirror.root).parent])


def test_one_page_of_each_type_is_taken(taken):
    """It exists; none is forgotten."""
    assert [path for path in taken.values() if not path.is_file()] == []
    assert {path.parent.name for path in taken.values()} >= set(PAGE_FOLDERS)
    pages = {path.name for path in taken.values()}
    assert pages >= {name for name in SINGLE_PAGES if name.endswith(".html")}
    assert len(set(taken.values())) == len(taken)


def test_each_picture_is_of_such_a_page_and_in_the_docs(taken):
    """In the light and the dark form; no picture is left over."""
    from screenshots import SCHEMES

    expected = {f"{name}-{scheme}.webp" for name in taken for scheme in SCHEMES}

    text = (DOCS / "site.md").read_text()
    assert {path.name for path in (DOCS / "site").iterdir()} == expected
    assert {name for name in expected if f"(site/{name})" not in text} == set()


def test_pages_are_known_to_be_empty_by_words_that_they_have(taken):
    """Otherwise an empty page would be taken."""
    from screenshots import EMPTY

    text = "".join(path.read_text() for path in TEMPLATES.glob("*.html"))
    assert [words for words in EMPTY if words not in text] == []
