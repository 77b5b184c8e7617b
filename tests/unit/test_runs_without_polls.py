"""Runs at a site without internet: MAST is not asked, and the mirror stays as it is."""

from dataclasses import replace

import pytest

from jwmirror.archive.poll_records import previous_changes, previous_doubts, previous_poll_time
from jwmirror.config.load import build_config
from jwmirror.config.yaml_files import parse_yaml
from jwmirror.core.model import Doubt, Poll, References, Scope, Selection, SettleResult, read, write
from jwmirror.core.model.plan import Published
from jwmirror.core.model.run import Run
from jwmirror.services.kept.unchanged_run import _is_finished
from jwmirror.store.generations import Generations
from jwmirror.store.runs import (
    add_events,
    number_run,
    pending_events,
    read_run,
    read_undecided,
    write_undecided,
)
from tests.setup.runs import Runs

URI = "mast:JWST/product/jw01345-o001_20260101t000000_image3_00001_asn.json"


@pytest.fixture
def runs(tmp_path, archive, process) -> Runs:
    """Runs on a small archive."""
    selections = (Selection(program=1345, products=("rate", "asn")),)
    return Runs(archive, tmp_path / "mirror", process, selections=selections)


def test_a_run_without_a_poll_asks_nobody_and_changes_nothing(runs, archive):
    """What earlier polls found stays known: doubts, undecided files, and when MAST answered."""
    runs.run(1)
    before, undecided = Generations(runs.mirror).entries(), read_undecided(runs.mirror)
    poll, asked = read(runs.files(1).poll, Poll), len(archive.requests)
    doubt = Doubt(program=1345, why="cut", since="2026-03-01")
    write(runs.files(1).poll, replace(poll, doubts=(doubt,)))
    add_events(runs.mirror, [Scope(program=1345)])
    write_undecided(runs.mirror, undecided | {URI: "2026-01-01"})

    runs.polls = False
    published, _, conclusion = runs.run(2)
    records = read_run(runs.files(2).folder)
    number_run(runs.files(3).folder)

    assert published == Published(generation=1, is_new=False)
    assert conclusion.error == "" and len(archive.requests) == asked
    assert list(Generations(runs.mirror).entries()) == list(before)
    assert read_undecided(runs.mirror)[URI] == "2026-01-01"
    assert len(pending_events(runs.mirror)) == 1
    assert records.poll.is_skipped
    assert previous_doubts(runs.files(3).folder, {1345}) == [doubt]
    asked_at = poll.listings[0].asked_at
    assert previous_poll_time(runs.files(3).folder, 1345) == asked_at
    assert previous_changes(runs.files(3).folder, {1345}) == {
        change.name: asked_at for change in poll.changes
    }


@pytest.mark.parametrize("is_skipped", [True, False])
def test_a_run_without_a_poll_is_no_answer_to_the_next_one(is_skipped):
    """The next run goes through all rules: it knows nothing of MAST to compare with."""
    poll = Poll(listings=(), changes=(), is_skipped=is_skipped)
    references = References(context="", server="", files={})

    run = Run(id="r", poll=poll, settling=SettleResult(), references=references)

    assert _is_finished(run) is not is_skipped


def test_a_later_run_asks_again(runs, archive):
    """It goes on from the poll before, and finds what changed since."""
    runs.run(1)
    runs.polls = False
    runs.run(2)
    (name,) = [name for name in archive.filenames() if name.endswith("nrcb1_rate.fits")][:1]
    archive.withdraw(name)

    runs.polls = True
    published, _, _ = runs.run(3)

    assert published == Published(generation=2, is_new=True)
    assert [change.product.filename for change in read(runs.files(3).poll, Poll).changes] == [name]


@pytest.mark.parametrize(("source", "polls"), [("mast", True), ("cloud", True), ("none", False)])
def test_the_config_says_whether_runs_poll(source, polls):
    """`none` is a source that gives nothing."""
    text = f"programs: [{{program: 1345}}]\narchive: {{source: {source}}}\n"

    assert build_config(parse_yaml(text, "config.yaml")).polls is polls
