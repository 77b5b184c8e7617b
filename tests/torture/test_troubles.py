"""Troubles of exposures, references and parameters: each is noticed, and healthy results are not.

`python -m tests.quality` writes the committed table with more healthy programs.
"""

from pathlib import Path

import pytest

from tests.quality.healthy import FIRST_TESTED, calibrate_healthy
from tests.quality.page import HealthyMode, table_of_healthy, table_of_troubles
from tests.quality.play import play
from tests.quality.troubles import FURTHER, TROUBLES
from tests.torture.mill import LONG

pytestmark = pytest.mark.skipif(not LONG, reason="an hour of jwst; make torture runs it")


def test_every_trouble_is_noticed_with_its_cause(tmp_path: Path):
    """Each result has at least a caveat, and the cause is right."""
    outcomes = play(TROUBLES, tmp_path)

    print(table_of_troubles(outcomes))
    unnoticed = [each.trouble.name for each in outcomes if not each.is_flagged]
    wrong = [each.trouble.name for each in outcomes if not each.has_right_cause]
    assert (unnoticed, wrong) == ([], [])


def test_troubles_of_other_modes_are_noticed(tmp_path: Path):
    """At least five of the six that no threshold was chosen for."""
    outcomes = play(FURTHER, tmp_path)

    print(table_of_troubles(outcomes))
    assert sum(each.is_flagged and each.has_right_cause for each in outcomes) >= 5


def test_healthy_results_are_sound(tmp_path: Path):
    """At most one false alarm among 300 results of all modes."""
    results = calibrate_healthy(FIRST_TESTED, tmp_path)
    modes = [HealthyMode(mode, tuple(of_mode)) for mode, of_mode in results.items()]

    print(table_of_healthy(modes))
    assert sum(len(mode.results) for mode in modes) >= 300
    assert sum(len(mode.alarms) for mode in modes) <= 1
