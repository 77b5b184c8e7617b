"""How long stages took in a mirror: kept for estimates, from its own results."""

import os

import pytest

from jwmirror.core.jsonio import read
from jwmirror.core.model.plan import StageTimes
from jwmirror.services.run.results import TIMES, record_stage_times, stage_times
from jwmirror.store.provenance import Provenance
from tests.setup.old_mirror import unpack


@pytest.fixture
def mirror(tmp_path):
    """A mirror of an earlier version, which kept no times."""
    return unpack(tmp_path) / "mirror"


def keys_of(mirror):
    """The keys of all results, and those of an exposure's rates."""
    records = list(Provenance(mirror).all())
    return (
        [record.key for record in records],
        [record.key for record in records if record.derivation.pipeline == "detector1"],
    )


def test_times_of_an_earlier_mirror_come_from_its_results(mirror):
    """Once; afterwards no record of a result is read."""
    times = stage_times(mirror)
    for path in (mirror / "provenance").iterdir():
        path.write_text("damaged")

    assert {"detector1 NRC_IMAGE", "image2 NRC_IMAGE", "image3 NRC_IMAGE"} <= times.keys()
    assert times["all"].stages == sum(
        times[pipeline].stages for pipeline in ("detector1", "image2", "image3")
    )
    assert stage_times(mirror) == times == read(mirror / TIMES, dict[str, StageTimes])


def test_a_run_adds_the_times_of_what_it_computed(mirror):
    """Nothing for a run that computed nothing; a kept ramp or an unknown key is no stage."""
    _, rates = keys_of(mirror)
    before = stage_times(mirror)

    record_stage_times(mirror, [])
    assert stage_times(mirror) == before

    record_stage_times(mirror, [*rates[:1], "ff" * 32])
    after = stage_times(mirror)
    seconds = Provenance(mirror).read(rates[0]).seconds
    assert after["detector1"].stages == before["detector1"].stages + 1
    assert after["detector1"].seconds == pytest.approx(before["detector1"].seconds + seconds)
    assert after["image2"] == before["image2"]


def test_a_damaged_record_of_a_result_only_leaves_its_time_out(mirror):
    """Estimates never end a run."""
    keys, rates = keys_of(mirror)
    Provenance(mirror).path(rates[0]).write_text("damaged")

    assert stage_times(mirror)["all"].stages < len(keys)


def test_results_without_headers_are_read_once(tmp_path):
    """Such as those of a recipe that has own files only."""
    (tmp_path / "provenance").mkdir()

    assert stage_times(tmp_path) == {}
    assert read(tmp_path / TIMES, dict[str, StageTimes]) == {}


def test_a_mirror_without_results_keeps_no_times(tmp_path):
    """Nor does one that may only be read need them."""
    assert stage_times(tmp_path) == {}
    assert os.listdir(tmp_path) == []
