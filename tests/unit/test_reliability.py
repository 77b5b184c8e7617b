"""docs/reliability.md says what comes of each thing that goes wrong, and no wrong byte gets in."""

import pytest

from tests.conftest import need
from tests.reliability import cluster
from tests.reliability.page import CASES, PAGE, row, switch_rows
from tests.reliability.rows import cases
from tests.reliability.scenes import ROWS, lacking


@pytest.mark.parametrize("name", ROWS)
def test_nothing_wrong_is_published_and_the_page_tells_what_happens(name):
    """Small and large, fresh and resumed: no wrong object, and the outcome that the page states."""
    not_installed, not_allowed = lacking(name)
    need(not_installed)
    if not_allowed:
        pytest.skip(not_allowed)

    found = row(name)

    assert found.wrong == 0
    assert str(found) in PAGE.read_text().splitlines(), f"{found}\nmake reliability writes the page"


def test_the_page_has_a_line_for_each_row_and_no_other():
    """What is not tested is not stated."""
    table = PAGE.read_text().partition("\n## ")[0].splitlines()
    lines = [line for line in table if line.startswith("| ")]

    assert [line.split(" | ")[0].removeprefix("| ") for line in lines[1:]] == list(ROWS)
    assert f"{len(ROWS) * len(CASES)} cases" in PAGE.read_text()


def test_the_page_lists_the_switches_of_the_archive():
    """Each with its values, its meaning and its source."""
    assert "\n".join(switch_rows()) in PAGE.read_text(), "make reliability writes the page"


def test_the_page_has_what_was_measured_on_a_cluster():
    """A line for each row of a test; `make torture` compares them."""
    lines = cluster.lines_of(PAGE.read_text())

    assert list(lines) == list(cluster.ROWS)
    assert cluster.section(lines) in PAGE.read_text()


def test_a_file_whose_row_disappears_is_found_with_its_sibling_or_counted_as_undecided(port):
    """Rows of all levels, of the highest one, or none; ETags of six kinds."""
    found = list(cases(port, ["new bytes, and a sibling is new"], variants=[(False, True)]))

    assert [words for _, rows, _, words in found if rows != "none"] == ["found"] * 12
    by_etag = {etag: words for _, rows, etag, words in found if rows == "none"}
    assert by_etag.pop("strong") == "found"
    assert set(by_etag.values()) <= {"found", "undecided"}
