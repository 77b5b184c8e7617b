"""An association is doubted with its members: its name shows no instrument."""

import pytest

from jwmirror.core.model import Doubt
from jwmirror_simulator.mast import Oddities
from jwmirror_simulator.mast.toy_files import STAMP
from tests.setup.odd_archives import FIRST, IMAGE2, LATER, present, published, runs_on_toys


@pytest.mark.parametrize(
    ("part", "is_covered"),
    [
        ({}, True),
        ({"instrument": "NIRCAM"}, True),
        ({"instrument": "MIRI"}, False),
        ({"observation": "o001", "instrument": "NIRCAM"}, True),
        ({"observation": "o002"}, False),
        ({"filename": f"{FIRST}_cal.fits"}, True),
        ({"program": 1346}, False),
    ],
)
def test_a_doubt_covers_a_file_by_its_name(part, is_covered):
    """Program, instrument, observation and name are in it."""
    assert Doubt(**{"program": 1345, "why": "", **part}).covers(f"{FIRST}_cal.fits") == is_covered


def test_a_new_association_waits_while_the_listing_of_its_members_is_doubted(
    tmp_path, port, process
):
    """The published one stays until the table of its instrument is there again."""
    stamped = IMAGE2.replace(STAMP, LATER)
    with runs_on_toys(tmp_path, port, process) as runs:
        runs.archive.oddities = Oddities(own_obsids=True)
        runs.run(1)
        runs.archive.restamp(IMAGE2, LATER)

        runs.archive.oddities = Oddities(own_obsids=True, absent_tables=("Nircam",))
        runs.run(2)
        doubted = published(runs.mirror)
        runs.archive.oddities = Oddities(own_obsids=True, absent_tables=("Miri",))
        runs.run(3)

        assert IMAGE2 in doubted and stamped not in doubted
        assert published(runs.mirror).items() >= present(runs.archive).items()
        assert IMAGE2 not in published(runs.mirror)
