"""The table of docs/modes.md has the modes that tests check."""

from jwmirror_simulator.modes.program import MODES
from tests.modes.checks import CHECKS
from tests.modes.page import PAGE, with_table


def test_the_table_of_the_page_has_what_tests_check():
    """docs/modes.md; `make docs` writes it."""
    page = PAGE.read_text()

    assert with_table(page) == page
    assert all(check.name in page for check in CHECKS)


def test_every_mode_of_the_telescope_is_checked():
    """By one product at least."""
    assert {mode.name for mode in MODES} <= {check.mode.name for check in CHECKS}
