"""The records of runs on disk: where they are, which are the newest, and what is read of them."""

from dataclasses import replace
from pathlib import Path

import pytest

from jwmirror.archive.poll_records import (
    previous_doubts,
    previous_listings,
    with_products,
    write_poll,
)
from jwmirror.core.errors import StoreError
from jwmirror.core.model import (
    Change,
    Doubt,
    Orders,
    Plan,
    Poll,
    Receipt,
    SettleResult,
    Version,
    write,
)
from jwmirror.core.model.plan import LEVELS, Published, References, Unsettled
from jwmirror.core.model.product import NEW, Scope
from jwmirror.core.model.quality import JudgedResult, Quality
from jwmirror.core.model.run import Stop
from jwmirror.store.generations import Generations
from jwmirror.store.objects import Objects
from jwmirror.store.runs import (
    RunFiles,
    add_events,
    fetch_receipts,
    fetched_versions,
    last_references,
    last_run,
    newest_first,
    number_run,
    pending_events,
    previous_settling,
    read_if_written,
    read_run,
    remove_events,
    upstream_after,
)
from tests.setup.mirrors import store_row
from tests.setup.records import listing, product

NOTHING = Poll(listings=(), changes=())


def files(mirror: Path, number: int) -> RunFiles:
    """The records of a run."""
    return RunFiles(mirror / f"receipts/runs/2026030{number}T120000.000000Z-1")


def references(context: str) -> References:
    """References of a context; empty if none were synced."""
    return References(context=context, server="s", files={})


def settled(name: str) -> SettleResult:
    """A record of settling that is told from others by a URI."""
    unsettled = Unsettled(
        association=name, product="p", program=1, why="w", since="s", exposures=(), uris=()
    )
    return SettleResult(unsettled=(unsettled,))


def test_the_records_of_a_run_are_in_its_folder(tmp_path):
    """Receipts of fetches are shared by all runs."""
    run = files(tmp_path, 1)

    names = {name: path.name for name, path in vars(run).items() if name != "folder"}

    assert names == {
        "number": "number.json",
        "poll": "changes.json",
        "listings": "listings.json.zst",
        "plain_listings": "listings.json",
        "orders": "orders.json",
        "settling": "settling.json",
        "references": "references.json",
        "published": "published.json",
        "held_back": "held-back.json",
        "site": "site.json",
        "conclusion": "conclusion.json",
        "stopped": "stopped.json",
        "executor": "executor.json",
        "attempts": "attempts",
        "heartbeats": "heartbeats",
        "unchanged": "unchanged.json",
        "confirmed": "confirmed.json",
    }
    assert run.plan("2") == run.folder / "plan-2.json"
    assert run.ahead("2") == run.folder / "ahead-2.json"
    assert run.batch("2", "b") == run.folder / "2" / "b.json"
    assert run.fetched("o1") == tmp_path / "receipts/fetch/o1.json"


def test_the_receipts_of_a_level_are_listed_by_name(tmp_path):
    """Those that exist; not other files."""
    run = files(tmp_path, 1)
    assert run.batches("2") == []
    for name in ("c", "a", "b"):
        write(run.batch("2", name), Receipt())
    (run.folder / "2" / "a.log").touch()

    assert run.batches("2") == [run.batch("2", name) for name in ("a", "b", "c")]


def test_a_mirror_without_runs_has_no_last_run(tmp_path):
    """Nor references; a stray file is no run."""
    assert (last_run(tmp_path), last_references(tmp_path)) == (None, None)
    (tmp_path / "receipts/runs").mkdir(parents=True)
    (tmp_path / "receipts/runs/readme").touch()

    assert last_run(tmp_path) is None


def test_the_newest_run_and_the_newest_references_are_found(tmp_path):
    """A run without recipes synced none."""
    for number, context in ((1, "one"), (2, "two"), (3, "")):
        write(files(tmp_path, number).references, references(context))
    write(files(tmp_path, 4).poll, NOTHING)

    assert last_run(tmp_path).id == files(tmp_path, 4).folder.name
    assert last_references(tmp_path) == references("two")


def test_the_last_run_is_the_newest_that_has_a_poll(tmp_path):
    """Runs whose polls failed changed nothing; how they ended is known, the oldest first."""
    failed = Stop(run="third", at="2026-03-03", why="x")
    write(files(tmp_path, 1).poll, NOTHING)
    write(files(tmp_path, 1).published, Published(generation=1, is_new=True))
    write(files(tmp_path, 2).poll, replace(NOTHING, unmatched=("shown",)))
    write(files(tmp_path, 3).stopped, failed)
    files(tmp_path, 4).folder.mkdir()

    last = last_run(tmp_path)

    assert (last.id, last.poll.unmatched) == (files(tmp_path, 2).folder.name, ("shown",))
    assert [(stop.at[:10], stop.why) for stop in last.stops] == [
        ("2026-03-02", ""),
        ("2026-03-03", "x"),
        ("2026-03-04", ""),
    ]


def test_a_mirror_of_which_no_poll_was_completed_has_a_last_run(tmp_path):
    """The newest one; all of them ended too early."""
    for number in (1, 2):
        files(tmp_path, number).folder.mkdir(parents=True)

    last = last_run(tmp_path)

    assert last.id == files(tmp_path, 2).folder.name
    assert [stop.run for stop in last.stops] == [files(tmp_path, n).folder.name for n in (1, 2)]


def test_doubts_are_those_of_the_newest_earlier_poll_of_each_program(tmp_path):
    """A poll that events limited to another program says nothing of this one."""
    first, second, other = (
        Doubt(program=program, why="w", since=since)
        for program, since in ((1, "1"), (1, "2"), (2, "1"))
    )
    write(files(tmp_path, 1).poll, replace(NOTHING, doubts=(first, other)))
    limits = {program: (Scope(program=program),) for program in (1, 3)}
    write(files(tmp_path, 2).poll, replace(NOTHING, doubts=(second,), limited_to=limits[1]))
    third = listing(program=3)
    write(files(tmp_path, 3).poll, replace(NOTHING, listings=(third,), limited_to=limits[3]))
    last = files(tmp_path, 4).folder

    assert previous_doubts(last, [1, 2]) == [second, other]
    assert previous_doubts(last, [3]) == []
    assert previous_doubts(files(tmp_path, 2).folder, [1]) == [first]


def test_runs_are_in_the_order_in_which_they_began(tmp_path):
    """Not in that of their names, which have the time of a clock: that of the second was wrong."""
    runs = [
        RunFiles(tmp_path / f"receipts/runs/{year}0301T120000.000000Z-1")
        for year in (2026, 2099, 2027)
    ]
    for number, run in enumerate(runs, start=1):
        number_run(run.folder)
        asked = listing(program=1, asked_at=str(number))
        write(run.poll, replace(NOTHING, listings=(asked,)))
        write(run.settling, settled(str(number)))
        write(run.references, references(str(number)))
        write(run.held_back, (held_back(str(number)),))
    next_run = tmp_path / "receipts/runs/20270302T120000.000000Z-1"
    number_run(next_run)
    last = last_run(tmp_path)

    assert newest_first(next_run.parent) == [next_run, *(run.folder for run in reversed(runs))]
    assert (last.id, last.held_back[0].key) == (runs[2].folder.name, "3")
    assert last_references(tmp_path) == references("3")
    assert previous_settling(next_run) == settled("3")
    assert previous_settling(runs[1].folder) == settled("1")
    assert previous_listings(next_run, [1])[1].asked_at == "3"


def test_runs_of_earlier_versions_come_before_all_that_have_a_number(tmp_path):
    """In the order of their names; so does a run that was killed before it got its number."""
    names = [f"{year}0301T120000.000000Z-1" for year in (2030, 2029, 2026, 2027)]
    old, older, first, second = (tmp_path / name for name in names)
    for folder in (older, old):
        folder.mkdir()
    for folder in (first, second):
        number_run(folder)

    assert newest_first(tmp_path) == [second, first, old, older]
    assert newest_first(tmp_path, before=old) == [older]
    assert newest_first(tmp_path, before=first) == [old, older]


def test_a_number_is_not_given_again_when_older_runs_are_removed(tmp_path):
    """A run that was killed has one; the next run gets the one after the largest."""
    for name in ("a", "b", "c"):
        number_run(tmp_path / name)
    (tmp_path / "a" / "number.json").unlink()

    number_run(tmp_path / "d")

    assert (tmp_path / "d" / "number.json").read_text() == "4\n"


def test_a_run_without_a_readable_number_is_an_error(tmp_path):
    """It could be any run; the message names the file."""
    number_run(tmp_path / "a")
    (tmp_path / "a" / "number.json").write_text("one")

    with pytest.raises(StoreError, match=r"a/number\.json"):
        newest_first(tmp_path)


def held_back(key: str) -> JudgedResult:
    """A result that a run did not publish."""
    return JudgedResult(
        recipe="deep",
        pipeline="image2",
        product="x",
        key=key,
        files=(),
        quality=Quality(word="caveat"),
        is_published=False,
    )


def test_a_run_is_read_record_by_record(tmp_path):
    """Each is where it belongs; levels and orders in their order."""
    run = files(tmp_path, 1)
    orders = Orders(products={"o2": (), "o1": ()})
    write(run.poll, NOTHING)
    write(run.orders, orders)
    write(run.settling, settled("u"))
    write(run.references, references("c"))
    plans = [Plan(context=level) for level in LEVELS]
    receipts = [Receipt(computed=(f"{level}",)) for level in LEVELS]
    for level, plan, receipt in zip(LEVELS, plans, receipts, strict=True):
        write(run.plan(level), plan)
        write(run.batch(level, "b"), receipt)
    for name, size in (("o1", 1), ("o2", 2), ("o3", 3)):
        write(run.fetched(name), Receipt(downloaded=size))
    write(run.published, Published(generation=4, is_new=True))
    write(run.held_back, (held_back("k"),))

    found = read_run(run.folder)

    assert found.id == run.folder.name
    assert (found.poll, found.settling) == (NOTHING, settled("u"))
    assert found.references == references("c")
    assert found.plans == tuple(plans) and found.batch_receipts == tuple(receipts)
    assert sorted(each.downloaded for each in found.fetch_receipts) == [1, 2]
    assert found.published == Published(generation=4, is_new=True)
    assert found.held_back == (held_back("k"),)


def test_a_run_that_ended_early_has_what_it_wrote(tmp_path):
    """Nothing, at first."""
    found = read_run(files(tmp_path, 1).folder)

    assert (found.poll, found.settling, found.references, found.published) == (None,) * 4
    assert (found.plans, found.fetch_receipts, found.batch_receipts, found.held_back) == ((),) * 4


def test_a_damaged_record_is_an_error(tmp_path):
    """Not a record that was not written."""
    path = files(tmp_path, 1).poll
    path.parent.mkdir(parents=True)
    path.write_text("{")

    with pytest.raises(StoreError, match=r"changes\.json"):
        read_run(path.parent)
    assert read_if_written(path.with_name("missing.json"), Poll) is None


def test_settling_is_read_from_the_newest_earlier_run_that_has_it(tmp_path):
    """Not from the run itself, or a later one."""
    for number in (1, 2, 4, 5):
        write(files(tmp_path, number).settling, settled(str(number)))
    files(tmp_path, 3).folder.mkdir()

    found = [previous_settling(files(tmp_path, number).folder) for number in (4, 2, 1)]

    assert found == [settled("2"), settled("1"), None]


DAMAGES = [
    Path.unlink,
    lambda path: path.write_text("{"),
    lambda path: path.write_bytes(path.read_bytes()[:-5]),
    lambda path: path.write_bytes(b""),
]


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_listing_that_cannot_be_read_is_none(tmp_path, damage, caplog):
    """The next poll asks for all of the program; older listings are not used."""
    for number in (1, 2):
        run = files(tmp_path, number)
        run.folder.mkdir(parents=True)
        write_poll(run.folder, replace(NOTHING, listings=(listing(asked_at=str(number)),)))
    damaged = files(tmp_path, 2).listings
    copy = damaged.read_bytes()
    damaged.unlink()
    damaged.write_bytes(copy)
    damage(damaged)

    assert previous_listings(files(tmp_path, 3).folder, [1345]) == {}
    assert "queried as a whole" in caplog.text


def test_listings_are_those_of_the_newest_earlier_poll_of_each_program(tmp_path):
    """Doubted ones are not used, and neither are older ones in their place."""
    old, new, other, doubted = (
        listing(program=program, asked_at=time)
        for program, time in ((1, "1"), (1, "2"), (2, "1"), (3, "2"))
    )
    third = listing(program=3, asked_at="1")
    write(files(tmp_path, 1).poll, replace(NOTHING, listings=(old, other, third)))
    write(
        files(tmp_path, 2).poll,
        replace(NOTHING, listings=(new, doubted), doubts=(Doubt(program=3, why="too few"),)),
    )
    files(tmp_path, 3).folder.mkdir()
    write(files(tmp_path, 4).poll, replace(NOTHING, listings=(old,)))

    assert previous_listings(files(tmp_path, 4).folder, [1, 2, 3, 9]) == {1: new, 2: other}
    assert previous_listings(files(tmp_path, 4).folder, [1]) == {1: new}
    assert previous_listings(files(tmp_path, 2).folder, [1]) == {1: old}
    assert previous_listings(files(tmp_path, 1).folder, [1]) == {}
    assert previous_listings(files(tmp_path, 4).folder, []) == {}


def test_runs_with_equal_listings_share_a_file(tmp_path):
    """The poll itself is small; its products come back with it, and a missing file is an error."""
    polls = [
        replace(NOTHING, listings=(listing(product("a", size=size), program=1, asked_at=time),))
        for size, time in ((1, "1"), (1, "2"), (2, "3"))
    ]
    runs = [files(tmp_path, number) for number in (1, 2, 3)]

    for run, poll in zip(runs, polls, strict=True):
        write_poll(run.folder, poll)

    written = [read_if_written(run.poll, Poll) for run in runs]
    assert [poll.listings[0].products for poll in written] == [(), (), ()]
    assert [with_products(run.folder, p) for run, p in zip(runs, written, strict=True)] == polls
    assert runs[0].listings.samefile(runs[1].listings)
    assert not runs[1].listings.samefile(runs[2].listings)
    runs[2].listings.unlink()
    with pytest.raises(StoreError, match=r"listings\.json\.zst: expected the products"):
        with_products(runs[2].folder, written[2])


def test_the_listings_of_an_earlier_version_are_read(tmp_path):
    """They were not compressed, and the poll names their file."""
    run, poll = files(tmp_path, 1), replace(NOTHING, listings=(listing(product("a")),))
    write_poll(run.folder, poll)
    written = replace(read_if_written(run.poll, Poll), products_in=run.plain_listings.name)
    write(run.poll, written)
    with pytest.raises(StoreError, match=r"listings\.json: expected the products"):
        with_products(run.folder, written)

    write(run.plain_listings, {"1345": poll.listings[0].products})

    assert with_products(run.folder, written) == poll
    assert previous_listings(files(tmp_path, 2).folder, [1345]) == {1345: poll.listings[0]}


def test_a_poll_that_is_written_again_leaves_the_run_it_shared_a_file_with(tmp_path):
    """A repeated job replaces the link, and never writes into the file of a former run."""
    old, new = (
        replace(NOTHING, listings=(listing(product("a", size=size), program=1, asked_at="1"),))
        for size in (1, 2)
    )
    first, second = files(tmp_path, 1), files(tmp_path, 2)
    for run in (first, second):
        write_poll(run.folder, old)

    write_poll(second.folder, new)

    assert with_products(first.folder, read_if_written(first.poll, Poll)) == old
    assert with_products(second.folder, read_if_written(second.poll, Poll)) == new
    assert list(second.folder.glob(".*")) == []


def fetched(mirror: Path, order: str, *names: str) -> list[Version]:
    """Versions that a fetch took in, with its receipt."""
    versions = []
    for name in names:
        row = store_row(mirror, name, name.encode())
        versions.append(Version(product=product(name), sha256=row.sha256, size=row.size))
    write(mirror / f"receipts/fetch/{order}.json", Receipt(versions=tuple(versions)))
    return versions


def test_versions_of_all_fetches_are_known_while_their_objects_exist(mirror):
    """Of the size that was recorded."""
    two, one = fetched(mirror, "o2", "c"), fetched(mirror, "o1", "a", "b")
    Objects(mirror).path(one[0].sha256).unlink()
    path = Objects(mirror).path(two[0].sha256)

    assert [name for name, _ in fetch_receipts(mirror)] == ["o1", "o2"]
    assert list(fetched_versions(mirror)) == [one[1], *two]
    path.chmod(0o644)
    path.write_bytes(b"longer")
    assert list(fetched_versions(mirror)) == [one[1]]


def test_receipts_of_other_observations_are_not_read(mirror):
    """Those of the same one are, whatever was ordered, and those of adopted files."""
    own, other = (
        "jw01345001001_02101_00001_nrca1_cal.fits",
        "jw01345002001_02101_00001_nrca1_cal.fits",
    )
    (wanted,) = fetched(mirror, "jw01345-o001.1", own)
    fetched(mirror, "jw01345-o001.2", own.replace("cal", "rate"))
    adopted = fetched(mirror, "adopted.3", own, other)
    (mirror / "receipts/fetch/jw01345-o002.4.json").write_text("{")

    assert list(fetched_versions(mirror, [wanted.product])) == [adopted[0], wanted]
    with pytest.raises(StoreError, match="jw01345-o002"):
        list(fetched_versions(mirror))
    (mirror / "receipts/fetch/jw01345-o001.5.json").write_text('{"versions": [{"sha256": ""}]}')
    with pytest.raises(StoreError, match=r"o001\.5\.json: not as jwmirror writes it"):
        list(fetched_versions(mirror, [wanted.product]))


def test_rows_after_a_poll_have_what_was_fetched_and_does_not_wait(mirror):
    """Where no change wants bytes, the rows stay, and no receipt is read."""
    row = store_row(mirror, "a", b"1")
    Generations(mirror).publish([row], "run", {})
    (version,) = fetched(mirror, "o1", "b")
    poll = replace(NOTHING, changes=(Change(kind=NEW, product=version.product),))

    assert [each.filename for each in upstream_after(mirror, poll)] == ["a", "b"]
    (mirror / "receipts/fetch/o1.json").write_text("{")
    assert upstream_after(mirror, NOTHING) == (row,)


def test_events_are_kept_until_a_poll_has_used_them(tmp_path):
    """Each once, whatever its number of scopes; one that is gone already is no error."""
    one, two = [Scope(program=1)], [Scope(program=2), Scope(program=3)]
    paths = [add_events(tmp_path, scopes) for scopes in (one, two, one)]

    assert paths[0] == paths[2] and paths[0].parent == tmp_path / "receipts/events"
    assert len(paths[0].stem) == 16 and paths[0].suffix == ".json"
    assert pending_events(tmp_path) == {paths[0]: tuple(one), paths[1]: tuple(two)}
    remove_events([paths[0], paths[0]])
    assert pending_events(tmp_path) == {paths[1]: tuple(two)}
