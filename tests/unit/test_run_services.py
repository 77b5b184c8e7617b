"""The use cases of the rules, called as the workflow does, but without Snakemake."""

import shutil
from dataclasses import replace

import pytest

from jwmirror.core.errors import StoreError
from jwmirror.core.model import Entry, Failure, Orders, Poll, Scope, Selection, read, write
from jwmirror.core.model.plan import Cost, Output, Published
from jwmirror.pipeline.derivation import key_of
from jwmirror.services.inspect.log import mirror_history
from jwmirror.services.inspect.status import mirror_status
from jwmirror.services.maintain.generations import roll_back_to
from jwmirror.services.run.conclude import Conclusion, conclude_run
from jwmirror.services.run.references import context_to_use
from jwmirror.services.run.results import ResultStore
from jwmirror.store.generations import Generations
from jwmirror.store.objects import Objects
from jwmirror.store.runs import RunFiles, add_events, pending_events
from jwmirror_simulator.observatory import Observatory
from tests.setup import records
from tests.setup.configs import policy_of
from tests.setup.runs import Runs


@pytest.fixture
def runs(tmp_path, built_observatory, port, process):
    """A served observatory, and a mirror that is empty."""
    shutil.copytree(built_observatory, tmp_path / "observatory")
    observatory = Observatory.open(tmp_path / "observatory")
    with observatory.serve(port):
        yield Runs(observatory.archive, tmp_path / "mirror", process)


def test_a_second_run_publishes_nothing_and_keeps_the_pages(runs):
    """The first one fetches, publishes and reports; then the archive is as it was."""
    first, page, conclusion = runs.run(1)
    pages = [*page.parent.glob("*s/*.html"), page.with_name("cite.html")]
    written = [each.stat().st_mtime_ns for each in pages]
    second, same_page, unchanged = runs.run(2)

    assert first == Published(generation=1, is_new=True)
    assert "generation 1 is new: first poll of program 1345" in conclusion.summary
    assert second == Published(generation=1, is_new=False)
    assert (same_page, len(pages)) == (page, 5)
    assert [each.stat().st_mtime_ns for each in pages] == written
    assert "generation 1 is unchanged" in unchanged.summary
    assert (unchanged.failures, unchanged.error) == ((), "")


def test_a_run_whose_clock_was_wrong_hides_no_later_one(runs):
    """Status, log, rollback, and a poll that events limit look at the last run, of 2026."""
    runs.years = {1: 2099}
    archive = runs.archive
    name = next(name for name in archive.filenames() if "o001" in name and "asn.json" in name)
    copy = runs.mirror.parent / name
    copy.write_bytes(archive.path(name).read_bytes() + b" ")
    runs.run(1)
    archive.reprocess(name, copy)
    runs.run(2)
    changed = mirror_status(runs.mirror, None)
    roll_back_to(runs.mirror, "1", wait_s=0, dry_run=False)
    add_events(runs.mirror, [Scope(program=1345, observations=("o001",))])

    runs.run(3)
    again = mirror_status(runs.mirror, None)

    assert changed.run == runs.files(2).folder.name
    assert [change.file for change in changed.changes] == [name]
    assert (again.run, len(again.changes)) == (runs.files(3).folder.name, 1)
    assert again.limited_to == (Scope(program=1345, observations=("o001",)),)
    assert mirror_history(runs.mirror).line == (2, 1)


def test_a_change_that_was_reported_before_is_not_new(runs):
    """Found again after a rollback, it has the time of the first poll; what is undone is said."""
    archive = runs.archive
    name = next(name for name in archive.filenames() if "o001" in name and "asn.json" in name)
    copy = runs.mirror.parent / name
    copy.write_bytes(archive.path(name).read_bytes() + b" ")
    runs.run(1)
    archive.reprocess(name, copy)
    published, _, _ = runs.run(2)
    write(runs.files(2).published, published)
    first = mirror_status(runs.mirror, None)
    roll_back_to(runs.mirror, "1", wait_s=0, dry_run=False)
    rolled_back = mirror_status(runs.mirror, None)
    runs.run(3)
    again = mirror_status(runs.mirror, None)

    asked_at = read(runs.files(2).poll, Poll).listings[0].asked_at
    assert [(change.file, change.since) for change in first.changes] == [(name, "")]
    assert [(change.file, change.since) for change in again.changes] == [(name, asked_at)]
    assert (first.undone, again.undone) == ((), ())
    (undone,) = rolled_back.undone
    why = "its software and references are as before; 1 of 1 file with equal science content"
    assert undone == f"MAST reprocessed jw01345 o001: {why} ({name})"
    assert "that is generation 2 again" in rolled_back.notes[0]


def test_deselected_files_stay_and_are_reported_with_their_last_check(runs):
    """Cause, status and page say so; selected again, they are as before."""
    runs.run(1)
    asked_at = read(runs.files(1).poll, Poll).listings[0].asked_at
    all_of_it, runs.selections = runs.selections, (replace(runs.selections[0], observations=(1,)),)

    _, page, conclusion = runs.run(2)
    observation = (page.parent / "observations" / "jw01345-o002.html").read_text()
    status = mirror_status(runs.mirror, None)
    _, _, unchanged = runs.run(3)
    runs.selections = all_of_it
    _, _, again = runs.run(4)

    kept = {count.observation: count.last_checked for count in status.held if count.deselected}
    number = sum(count.deselected for count in status.held)
    lost = f"no longer selected by the config (kept here), jw01345 o002: {number} files"
    assert f"generation 2 is new: {lost}" in conclusion.summary
    assert "o001" not in kept and set(kept.values()) == {asked_at}
    assert f"not selected by the config any more, last checked on {asked_at[:10]}" in observation
    assert "generation 2 is unchanged" in unchanged.summary
    regained = f"selected by the config again, jw01345 o002: {number} files"
    assert f"generation 3 is new: {regained}" in again.summary


def test_the_end_of_a_run_names_what_is_selected_in_vain(tmp_path):
    """Not only the log, where the query is far up; long lists are cut."""
    files = RunFiles(tmp_path / "receipts" / "runs" / "1")
    unmatched = tuple(f"program 1345, filters: f{number}w" for number in range(100, 112))
    write(files.poll, Poll(listings=(), changes=(), unmatched=unmatched))
    published = Published(generation=0, is_new=False)

    conclusion = conclude_run(mirror=tmp_path, run=files.folder, published=published, page="x")

    assert "MAST lists no such product (12)" in conclusion.summary
    assert f"  {unmatched[9]}\n  ... and 2 more" in conclusion.summary
    assert conclusion.error == ""


def test_a_product_that_cannot_be_fetched_does_not_stop_the_others(runs):
    """It is a failure in the receipt."""
    orders = runs.query(1)
    order, products = next(iter(orders.products.items()))
    lost = records.product("jw01345-o001_20260101t000000_image3_00009_asn.json")
    more = Orders(products={order: (*products, lost)})

    receipt = runs.fetch(more, order)

    assert [failure.name for failure in receipt.failures] == [lost.filename]
    assert {version.product for version in receipt.versions} == set(products)
    assert receipt.downloaded == sum(version.size for version in receipt.versions) > 0


def test_an_exposure_with_an_odd_header_is_published_with_the_others(runs, caplog):
    """MAST has that file, with this checksum; it is kept, and marked as one that is not read."""
    runs.selections = (Selection(program=1345, observations=(2,), products=("uncal",)),)
    archive = runs.archive
    odd = next(name for name in archive.filenames() if "1345002" in name and "uncal" in name)
    copy = runs.mirror.parent / odd
    octets = archive.path(odd).read_bytes()
    at = octets.index(b"BUNIT   =")
    card = b"FIRSTOBS= visit 1, not quoted".ljust(80)
    copy.write_bytes(octets[:at] + card + octets[at + 80 :])
    archive.reprocess(odd, copy)

    published, _, _ = runs.run(1)

    refusals = {entry.filename: entry.refusal for entry in Generations(runs.mirror).entries()}
    assert published.generation == 1 and len(refusals) == 3
    assert [name for name, refusal in refusals.items() if refusal] == [odd]
    assert odd in refusals[odd] and odd in caplog.text


def test_a_doubt_keeps_the_time_of_the_first_poll_that_has_it(runs):
    """While polls in a row have it; and status shows it."""
    archive = runs.archive
    runs.run(1)
    archive.withdraw(
        *(name for name in archive.filenames() if "-o002_" in name or "345002" in name)
    )
    runs.run(2)
    (first,) = read(runs.files(2).poll, Poll).doubts
    poll = read(runs.files(2).poll, Poll)
    earlier = replace(first, since="2026-01-01T00:00:00+00:00")
    write(runs.files(2).poll, replace(poll, doubts=(earlier,)))

    runs.run(3)

    assert (first.observation, first.since[:2]) == ("o002", "20")
    assert mirror_status(runs.mirror, None).last_poll.doubts == (earlier,)


def test_events_outlive_a_query_that_fails(runs):
    """They are forgotten when the poll and the orders are on disk, and not before."""
    add_events(runs.mirror, [Scope(program=1345, observations=())])

    with pytest.raises(StoreError, match="keep_free_gb"):
        runs.query(1, keep_free=10**18)
    kept = pending_events(runs.mirror)
    runs.query(2)

    assert len(kept) == 1
    assert pending_events(runs.mirror) == {}


def test_failures_end_a_run_with_an_error_that_names_each():
    """All else was published before. No name is repeated."""
    failures = (Failure(name="a.fits", message="a.fits: gone"), Failure(name="b", message="killed"))

    conclusion = Conclusion(summary="", failures=failures)

    assert conclusion.error == (
        "2 failed; all else is done and published (more: `jwmirror failures`):\n"
        "a.fits: gone\nb: killed"
    )


def test_failures_with_one_message_are_one_line():
    """As when the context of a recipe does not exist; ten of them are named."""
    failures = [Failure(name=f"deep/{number}", message="no context") for number in range(1000)]
    failures.insert(1, Failure(name="b", message="killed"))

    lines = Conclusion(summary="", failures=tuple(failures)).error.splitlines()

    named = ", ".join(f"deep/{number}" for number in range(10))
    assert lines == [
        "1001 failed; all else is done and published (more: `jwmirror failures`):",
        f"{named} and 990 more: no context",
        "b: killed",
        "`jwmirror failures --all` lists them",
    ]


def test_a_stored_result_is_recalled_while_its_objects_exist(empty_mirror):
    """By its key; and its derivation also when they are lost."""
    results, derivation = ResultStore(empty_mirror.root), records.derivation()
    path = results.objects.incoming / "x_rate.fits"
    path.write_bytes(b"pixels")
    output = Output(path=str(path), identity="1d" * 32)

    cost = Cost(seconds=1.0, peak_memory=1)
    chain = records.chain(derivation, excluded={"detector1": {"y": "star lost"}})
    files = results.store_result(derivation, [output], cost, None, chain)
    (record,) = results.provenance.of_product("detector1", "x")

    assert results.recall(record.key) == files
    assert record.excluded == {"y": "star lost"}
    results.locate(files[0].sha256).unlink()
    assert results.recall(record.key) is None
    assert results.derivation(record.key) == derivation
    assert results.published_derivation("deep", "x", "detector1") is None


def test_a_result_records_which_published_one_it_replaces(empty_mirror):
    """The one of the same recipe: another recipe, or the same key again, replaces none."""
    root, cost = empty_mirror.root, Cost(seconds=1.0, peak_memory=1)

    def store(recipe, **parameters):
        results = ResultStore(root)
        path = results.objects.incoming / "x_rate.fits"
        path.write_bytes(repr(parameters).encode())
        derivation = records.derivation(parameters=parameters)
        output = Output(path=str(path), identity="1d" * 32)
        chain = records.chain(derivation, recipe=recipe)
        results.store_result(derivation, [output], cost, None, chain)
        return results.provenance.read(key_of(derivation))

    first = store("deep")
    row = Entry(path="recalibrated/deep/x_rate.fits", origin="deep", sha256=first.files[0].sha256,
                size=first.files[0].size, result="detector1/x", key=first.key)  # fmt: skip
    Generations(root).publish([row], "a run", {})
    second, of_quick = store("deep", jump=1), store("quick", jump=2)
    Objects(root).path(first.files[0].sha256).unlink()
    again = store("deep")

    assert (first.replaced, second.replaced) == ("", first.key)
    assert of_quick.replaced == again.replaced == ""


@pytest.mark.parametrize(
    ("policy", "on_new_context", "context"),
    [
        ("latest", "hold", "jwst_0001.pmap"),
        ("build", "hold", "jwst_0001.pmap"),
        ("latest", "follow", "jwst_0002.pmap"),
        ("jwst_0002.pmap", "hold", "jwst_0002.pmap"),
    ],
)
def test_a_context_is_held_unless_the_config_names_it(
    empty_mirror, policy, on_new_context, context
):
    """Before the first generation there is none to hold."""
    root = empty_mirror.root
    of_config = policy_of("", root, context=policy, on_new_context=on_new_context)
    first = context_to_use(root, "jwst_0002.pmap", of_config)
    Generations(empty_mirror.root).publish([], "first", {"context": "jwst_0001.pmap"})

    second = context_to_use(root, "jwst_0002.pmap", of_config)

    assert (first, second) == ("jwst_0002.pmap", context)
