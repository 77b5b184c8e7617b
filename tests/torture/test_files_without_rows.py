"""All cases of files whose rows at MAST may be missing: what docs/reliability.md says of each."""

import pytest

from tests.reliability.page import PAGE
from tests.reliability.rows import table
from tests.torture.mill import LONG


@pytest.mark.skipif(not LONG, reason="504 cases; make torture runs them, make test a part of them")
def test_no_change_is_missed_without_a_word_and_the_page_states_each_outcome(port):
    """Kinds of change x rows x ETags x variants: nothing wrong, and the table of the page."""
    section = table(port)

    assert section.endswith("wrong = 0.")
    assert section in PAGE.read_text(), "make reliability writes the page"
