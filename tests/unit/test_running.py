"""How far a run is: files, bytes, exposures, workers, time left, by the records in its folder."""

import os
import socket
import threading
import time
from dataclasses import replace

import pytest

from jwmirror.core.errors import StoreError
from jwmirror.core.model import Chain, Failure, Orders, Plan, Receipt, SettleResult, write
from jwmirror.core.model.jobs.attempts import Attempt
from jwmirror.core.model.plan import Published, References, Spent
from jwmirror.core.model.run import FetchBeat, Heartbeat, StageBeat, Stop
from jwmirror.engine.heartbeats import Heartbeats
from jwmirror.services.inspect.running import observation, watching
from jwmirror.services.inspect.running.observation import RunObserver, run_state
from jwmirror.services.inspect.running.watching import end_of_run, watch_run
from jwmirror.store.lock import RUN_LOCK, lock_note, mirror_lock
from jwmirror.store.runs import REFERENCES, RunFiles
from tests.setup.records import product

RUN = "20260301T120000.000000Z-1"
AT = "2026-03-01T12:{:02}:00+00:00"
A, B = "jw01345-o001.ab", "jw01345-o002.cd"


class Clock:
    """A monotonic clock that a test sets."""

    now = 1000.0

    def monotonic(self) -> float:
        """Return the time."""
        return self.now


@pytest.fixture
def clock(monkeypatch) -> Clock:
    """The clock of who watches."""
    clock = Clock()
    monkeypatch.setattr(observation.time, "monotonic", clock.monotonic)
    return clock


@pytest.fixture
def files(tmp_path) -> RunFiles:
    """The records of a run that has just begun."""
    files = RunFiles(tmp_path / "receipts" / "runs" / RUN)
    files.folder.mkdir(parents=True)
    return files


def chain(name: str, seconds: float = 100.0) -> Chain:
    """A chain of the recipe deep."""
    names = {"recipe": "deep", "program": 1345, "observation": "o001", "product": name}
    return Chain(**names, derivations=(), reasons=(), seconds=seconds)


def order(files: RunFiles) -> None:
    """Two orders: two files of 3 kB, and one of 7 kB."""
    first = (product("a.fits", size=1000), product("b.fits", size=2000))
    second = (product("c.fits", size=7000, observation="o002"),)
    write(files.orders, Orders(products={A: first, B: second}))


def plan(files: RunFiles) -> None:
    """A run that has fetched what there was, and calibrates four exposures in two jobs."""
    write(files.orders, Orders())
    write(files.settling, SettleResult())
    write(files.references, References(context="c", server="s", files={}))
    batches = {"b1": (chain("e1"), chain("e2")), "b2": (chain("e3"), chain("e4"))}
    write(files.plan("exposures"), Plan(context="c", batches=batches))


def beat(host: str, at: int, *stages: StageBeat, **fields: object) -> Heartbeat:
    """A heartbeat of a job, at a minute by the clock of its host."""
    return Heartbeat(host=host, pid=7, at=AT.format(at), stages=stages, **fields)


def stage(name: str, step: str = "jump", since: int = 30, began: int = 29) -> StageBeat:
    """A stage that runs."""
    return StageBeat("deep", name, "detector1", step, AT.format(since), AT.format(began))


# ---- one look ----------------------------------------------------------------------------------


def test_phases_follow_the_records(files):
    """From the query to the end."""
    observer = RunObserver(files.folder.parents[2], RUN)
    phases = [observer.look().phase]
    order(files)
    phases.append(observer.look().phase)
    for name in (A, B):
        write(files.fetched(name), Receipt())
    phases.append(observer.look().phase)
    write(files.settling, SettleResult())
    phases.append(observer.look().phase)
    write(files.references, References(context="c", server="s", files={}))
    phases.append(observer.look().phase)
    write(files.plan("exposures"), Plan(context="c", batches={"b1": (chain("e1"),)}))
    phases.append(observer.look().phase)
    write(files.batch("exposures", "b1"), Receipt())
    for level in ("associations-2", "associations-3"):
        phases.append(observer.look().phase)
        write(files.plan(level), Plan(context="c"))
    phases.append(observer.look().phase)
    write(files.published, Published(generation=1, is_new=True))
    phases.append(observer.look().phase)

    assert phases == [
        "query", "fetch", "settle", "references", "plan", "calibrate", "plan", "plan", "publish",
        "conclude",
    ]  # fmt: skip


def test_a_look_counts_what_the_fetch_jobs_say(files):
    """Two at the same time, on this or another machine."""
    order(files)
    write(files.fetch_heartbeat(A), beat("n1", 1, fetch=FetchBeat(files=1, bytes=500, rate=10.0)))
    write(files.fetch_heartbeat(B), beat("n2", 1, fetch=FetchBeat(files=0, bytes=500, rate=90.0)))

    state = RunObserver(files.folder.parents[2], RUN).look()

    assert (state.fetch.observations, state.fetch.files, state.fetch.files_done) == (2, 3, 1)
    assert (state.fetch.bytes_done, state.fetch.rate) == (1000, 100.0)
    assert state.seconds_left == pytest.approx(90.0)
    assert state.at_work == ()


def test_a_sync_of_references_is_counted(files):
    """Its files are known while it goes on; their rate is not mixed with that of the downloads."""
    order(files)
    for name in (A, B):
        write(files.fetched(name), Receipt())
    write(files.settling, SettleResult())
    observer = RunObserver(files.folder.parents[2], RUN)
    before = observer.look()
    counts = FetchBeat(files=1, bytes=500, rate=10.0, expected_files=4, expected=2500)
    write(files.fetch_heartbeat(REFERENCES), beat("n1", 1, fetch=counts))

    state = observer.look()

    assert (before.phase, before.references, before.seconds_left) == ("references", None, None)
    assert (state.references.files_done, state.references.files) == (1, 4)
    assert (state.references.bytes_done, state.references.bytes) == (500, 2500)
    assert (state.references.rate, state.seconds_left) == (10.0, 200.0)
    assert (state.fetch.files_done, state.at_work) == (3, ())


def test_a_look_at_jobs_of_several_hosts(files):
    """Their clocks differ by years: each time is compared with the same clock only."""
    plan(files)
    write(files.heartbeat("exposures", "b1"), beat("n1", 32, stage("e2"), ended=1))
    future = replace(beat("n2", 33, stage("e3", "ramp_fit", 33, 33)), at=AT.format(33))
    text = future.at.replace("2026", "2031")
    later = replace(stage("e3", "ramp_fit"), since=text, began=text)
    write(files.heartbeat("exposures", "b2"), replace(future, at=text, stages=(later,)))

    state = RunObserver(files.folder.parents[2], RUN).look()

    (level,) = state.levels
    assert (level.exposures, level.exposures_done, level.jobs_at_work) == (4, 1, 2)
    assert [(each.host, each.product, each.step) for each in state.at_work] == [
        ("n1", "e2", "jump"),
        ("n2", "e3", "ramp_fit"),
    ]
    assert [round(each.seconds) for each in state.at_work] == [120, 0]
    assert all(each.silent_s == 0 for each in state.at_work)
    assert state.seconds_left == pytest.approx((100 + 100 + 0) / 2, abs=1)


def test_a_job_with_a_receipt_is_not_at_work(files):
    """Its heartbeat may still be there, or be left of a job that was killed on another node."""
    plan(files)
    failed = Receipt(
        failures=(Failure("deep/e1", "no"),), spent=(Spent("detector1", "e2", 9.0, 1),)
    )
    write(files.batch("exposures", "b1"), failed)
    write(files.heartbeat("exposures", "b1"), beat("n1", 32, stage("e2"), ended=1))

    state = RunObserver(files.folder.parents[2], RUN).look()

    (level,) = state.levels
    assert (level.exposures_done, level.failed, level.jobs_done, level.jobs_at_work) == (2, 1, 1, 0)
    assert state.at_work == () and state.seconds_left is None
    assert state.levels_to_plan == ("associations-2", "associations-3")


def test_a_restarted_job_is_not_taken_as_a_measure(files):
    """What its earlier attempts spent is not in its receipt."""
    plan(files)
    attempts = (Attempt(number=1), Attempt(number=2))
    spent = (Spent("detector1", "e2", 1.0, 1),)
    write(files.batch("exposures", "b1"), Receipt(spent=spent, attempts=attempts))
    write(files.heartbeat("exposures", "b2"), beat("n1", 30, stage("e3", since=30, began=30)))

    state = RunObserver(files.folder.parents[2], RUN).look()

    assert state.seconds_left == pytest.approx(200.0, abs=1)


def test_a_heartbeat_that_a_crash_has_emptied_is_left_out(files):
    """It is not durable."""
    plan(files)
    files.heartbeats.mkdir()
    files.heartbeat("exposures", "b1").touch()

    assert RunObserver(files.folder.parents[2], RUN).look().at_work == ()


def test_a_damaged_plan_is_an_error(files):
    """Which `status` shows, and a run that is watched passes over."""
    plan(files)
    files.plan("exposures").write_text("{")

    with pytest.raises(StoreError, match="plan-exposures"):
        RunObserver(files.folder.parents[2], RUN).look()


# ---- many looks --------------------------------------------------------------------------------


def test_a_job_that_ends_is_done_though_its_receipt_is_seen_later(files):
    """On a network file system its heartbeat may be gone a minute before."""
    plan(files)
    path, observer = files.heartbeat("exposures", "b1"), RunObserver(files.folder.parents[2], RUN)
    write(path, beat("n1", 30, stage("e2"), ended=1))
    done = [observer.look().levels[0].exposures_done]
    path.unlink()
    done.append(observer.look().levels[0].exposures_done)
    write(path, beat("n1", 30, stage("e1")))  # it was restarted
    done.append(observer.look().levels[0].exposures_done)

    assert done == [1, 2, 0]


def test_what_was_fetched_stays_fetched(files):
    """Also of a run that is seen first when it has published."""
    order(files)
    for name in (A, B):
        write(files.fetched(name), Receipt())
    write(files.published, Published(generation=1, is_new=True))

    fetch = RunObserver(files.folder.parents[2], RUN).look().fetch

    assert (fetch.files_done, fetch.bytes_done, fetch.rate) == (3, 10_000, None)


def test_the_rate_is_what_arrived_while_it_was_watched(files, clock):
    """Over the last minute; what jobs say is used until then. Discarded bytes are no rate."""
    order(files)
    observer = RunObserver(files.folder.parents[2], RUN)
    rates = []
    for passed, arrived in ((0, 0), (5, 400), (15, 1500), (16, 0), (100, 1500)):
        clock.now = 1000.0 + passed
        fetched = FetchBeat(files=0, bytes=arrived, rate=7.0)
        write(files.fetch_heartbeat(B), beat("n1", 1, fetch=fetched))
        rates.append(observer.look().fetch.rate)

    assert rates == [7.0, 7.0, 100.0, None, 7.0]


def test_a_job_that_gives_no_sign_is_named_and_not_counted(files, clock):
    """By the clock of who watches; a new beat of it counts again."""
    plan(files)
    write(files.heartbeat("exposures", "b1"), beat("n1", 32, stage("e1")))
    observer = RunObserver(files.folder.parents[2], RUN)
    first = observer.look()
    clock.now += 150.0
    silent = observer.look()
    write(files.heartbeat("exposures", "b1"), beat("n1", 35, stage("e1")))
    again = observer.look()

    assert [state.at_work[0].silent_s for state in (first, silent, again)] == [0.0, 150.0, 0.0]
    assert [state.levels[0].jobs_at_work for state in (first, silent, again)] == [1, 0, 1]
    assert silent.seconds_left is None
    assert again.at_work[0].seconds == 300.0


def test_a_heartbeat_that_is_much_older_than_others_was_left_by_a_dead_job(files):
    """Known at the first look, by the times of the files, which one server gives."""
    plan(files)
    for name, host in (("b1", "n1"), ("b2", "n2")):
        write(files.heartbeat("exposures", name), beat(host, 32, stage(f"e{name[1]}")))
    old = time.time() - 4000
    os.utime(files.heartbeat("exposures", "b1"), (old, old))

    state = RunObserver(files.folder.parents[2], RUN).look()

    assert [each.host for each in state.at_work if each.silent_s] == ["n1"]
    assert state.levels[0].jobs_at_work == 1


def test_workers_that_pause_between_two_stages_do_not_halve_the_time(files, clock):
    """The number of stages at once is that of the last minute."""
    plan(files)
    path, observer = files.heartbeat("exposures", "b1"), RunObserver(files.folder.parents[2], RUN)
    now = {"since": 30, "began": 30}
    write(path, beat("n1", 30, stage("e1", **now), stage("e2", **now)))
    both = observer.look().seconds_left
    write(path, beat("n1", 30, stage("e2", **now), ended=1))
    one = observer.look().seconds_left

    assert both == pytest.approx(200.0) and one == pytest.approx(150.0)


# ---- the run -----------------------------------------------------------------------------------


def test_the_run_that_goes_on_is_the_owner_of_the_lock(files):
    """Not prune, and none after the end; here it can be seen whether it is alive."""
    root = files.folder.parents[2]
    (root / "JWMIRROR").touch()
    assert run_state(root) is None
    with mirror_lock(root, "prune", name=RUN_LOCK):
        assert run_state(root) is None
    with mirror_lock(root, f"run {RUN}", name=RUN_LOCK):
        state = run_state(root)

    assert (state.run, state.phase, state.is_alive) == (RUN, "query", True)
    assert (state.host, state.began) == (socket.gethostname(), "2026-03-01T12:00:00+00:00")
    assert run_state(root) is None


def test_watching_ends_with_the_run(files, monkeypatch):
    """What it did last is drawn; then one sentence says how it ended."""
    root, drawn = files.folder.parents[2], []
    (root / "JWMIRROR").touch()
    assert watch_run(root, drawn.append) is None
    may_end = threading.Event()

    def own() -> None:
        with mirror_lock(root, f"run {RUN}", name=RUN_LOCK):
            started.set()
            may_end.wait(30)
            write(files.published, Published(generation=3, is_new=True))
            write(files.conclusion, {})

    def draw(state) -> None:
        drawn.append(state)
        may_end.set()

    started = threading.Event()
    owner = threading.Thread(target=own)
    owner.start()
    started.wait(30)
    end = watch_run(root, draw, interval_s=0.01)
    owner.join(30)

    assert drawn[0].phase == "query"
    assert (end.is_complete, end.text) == (True, f"Run {RUN} has ended: generation 3 is new.")


def test_a_run_that_died_is_said_to_have_died(files, monkeypatch):
    """Its lock is still there, and its process is not."""
    root, drawn = files.folder.parents[2], []
    (root / "JWMIRROR").touch()
    with mirror_lock(root, f"run {RUN}", name=RUN_LOCK):
        note = lock_note(root, RUN_LOCK)
        monkeypatch.setattr(watching, "lock_note", lambda root, name: note)
        monkeypatch.setattr("jwmirror.store.lock._is_process", lambda pid, started: False)

        end = watch_run(root, drawn.append)

    assert not end.is_complete and drawn == []
    assert f"Run {RUN} has died: its process on {socket.gethostname()} is gone." in end.text


@pytest.mark.parametrize(
    ("records", "is_complete", "words"),
    [
        ({"published": Published(generation=3, is_new=False)}, False, "is up to date, but some"),
        (
            {"published": Published(generation=3, is_new=False), "conclusion": {}},
            True,
            "generation 3 is up to date.",
        ),
        ({"unchanged": "before"}, True, "nothing had changed"),
        (
            {"stopped": Stop(run=RUN, at="", rule="query_archive", why="MAST is closed.")},
            False,
            "published nothing (query_archive: MAST is closed); see",
        ),
        ({}, False, "published nothing; see `jwmirror failures`"),
    ],
)
def test_the_end_of_a_run_is_one_sentence(files, records, is_complete, words):
    """By the records that it left."""
    for name, record in records.items():
        write(getattr(files, name), record)

    end = end_of_run(files)

    assert end.is_complete == is_complete and words in end.text


def test_a_run_that_changed_nothing_leaves_no_records(tmp_path):
    """Its folder is gone when it has ended."""
    assert end_of_run(RunFiles(tmp_path / RUN)).is_complete


# ---- heartbeats of downloads -------------------------------------------------------------------


def test_a_fetch_says_how_much_has_arrived(files):
    """In a file that is gone at its end, with its folder if it is the last one."""
    order(files)
    path, observer = files.fetch_heartbeat(A), RunObserver(files.folder.parents[2], RUN)

    with Heartbeats(path).fetch(lambda: FetchBeat(files=1, bytes=500, rate=10.0)):
        deadline = time.monotonic() + 30
        while not (state := observer.look().fetch).files_done:
            assert time.monotonic() < deadline
            time.sleep(0.01)

    assert (state.bytes_done, state.rate) == (500, 10.0)
    assert not path.parent.exists()
