"""Each mistake of docs/mistakes.md is made, and gets the message that the page has."""

import logging

import pytest

from tests.mistakes.mistake import Outcome
from tests.mistakes.page import MISTAKES, PAGE, page, transcript
from tests.mistakes.play import play
from tests.mistakes.rules import broken_rules


@pytest.fixture(scope="module")
def outcomes() -> dict[str, Outcome]:
    """The outcomes of all mistakes, by what was done."""
    logging.disable()
    try:
        return {mistake.what: play(mistake) for mistake in MISTAKES}
    finally:
        logging.disable(logging.NOTSET)


def test_every_message_keeps_the_rules(outcomes):
    """Place, what was found and a next step; no words of Python; ASCII; at most twelve lines."""
    broken = {
        mistake.what: rules
        for mistake in MISTAKES
        if (rules := list(broken_rules(mistake, outcomes[mistake.what])))
    }

    assert len(MISTAKES) >= 60
    assert broken == {}


def test_the_page_has_these_messages(outcomes):
    """`python -m tests.mistakes` writes it."""
    written = PAGE.read_text()
    others = [
        mistake.what
        for mistake in MISTAKES
        if transcript(mistake, outcomes[mistake.what]) not in written
    ]

    assert others == []
    assert page(outcomes) == written


def test_no_two_mistakes_have_one_name():
    """The page and the outcomes are by name."""
    names = [mistake.what for mistake in MISTAKES]

    assert len(set(names)) == len(names)
