"""`jwmirror status` while a run goes on, and `jwmirror status --watch`."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from jwmirror.core.model import Orders, Plan, SettleResult, read, write
from jwmirror.core.model.run import Heartbeat, StageBeat
from jwmirror.services.inspect.running.watching import watch_run
from jwmirror.store.lock import RUN_LOCK, mirror_lock
from jwmirror.store.runs import RunFiles
from tests.setup.command_line import answer, run
from tests.setup.mirrors import RUN, SmallMirror

ROOT = Path(__file__).parents[2]
AT = "2026-03-01T12:30:00+00:00"
OWN = """
import sys, time
from pathlib import Path
from jwmirror.store.lock import RUN_LOCK, mirror_lock
with mirror_lock(Path(sys.argv[1]), "run " + sys.argv[2], name=RUN_LOCK):
    print("locked", flush=True)
    time.sleep(60)
"""


def going_on(mirror: SmallMirror) -> None:
    """Let the run of the mirror be at stage 1 of one exposure on a node."""
    mirror.record("orders.json", Orders())
    mirror.record("settling.json", SettleResult())
    files = RunFiles(mirror.run_folder)
    (batch,) = read(files.plan("exposures"), Plan).batches
    files.batch("exposures", batch).unlink()
    stages = (StageBeat("deep", "late_exposure", "detector1", "jump", since=AT, began=AT),)
    write(files.heartbeat("exposures", batch), Heartbeat(host="n1", pid=7, at=AT, stages=stages))


def test_status_shows_the_run_that_goes_on(small_mirror):
    """With the step of each worker; and not that this run did not publish."""
    going_on(small_mirror)
    before = run("status", "--mirror", small_mirror.root)
    with mirror_lock(small_mirror.root, f"run {RUN}", name=RUN_LOCK):
        page = run("status", "--mirror", small_mirror.root)
        found = answer("status", "--mirror", small_mirror.root)["running"]

    assert "it was killed" in before and "A run is going on" not in before
    assert f"A run is going on: {RUN} on " in page and "killed" not in page
    assert "Calibrating exposures: 0 of 2; jobs: 1 at work" in page
    assert "detector1 jump, 0 s: deep/late_exposure on n1" in page
    assert (found["run"], found["phase"], found["is_alive"]) == (RUN, "calibrate", True)
    assert found["levels"][0]["jobs_at_work"] == 1 and found["at_work"][0]["host"] == "n1"


def test_watch_ends_at_once_where_no_run_goes_on(small_mirror):
    """With the absolute path of the mirror, since it may be another one than was meant."""
    assert f"No run is going on in {small_mirror.root.absolute()}." in run(
        "status", "--watch", "--mirror", small_mirror.root
    )


def test_options_without_effect_beside_watch_are_refused(small_mirror):
    """It prints lines for people, and only of the run."""
    words = ("status", "--watch", "--all", "--last-run", "--mirror", small_mirror.root)

    assert "--all and --last-run: no effect beside --watch" in run(*words, code=2)


def started(*words: str, **streams: object) -> subprocess.Popen[str]:
    """Start Python with these words."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        [sys.executable, *words],
        env=environment,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a shell may ignore it
        **streams,
    )


def test_a_run_that_is_killed_while_it_is_watched(small_mirror):
    """It is said to have died, with exit code 1."""
    going_on(small_mirror)
    owner = started("-c", OWN, str(small_mirror.root), RUN, stdout=subprocess.PIPE)
    assert owner.stdout.readline() == "locked\n"
    drawn = []

    def draw(state) -> None:
        drawn.append(state)
        owner.kill()
        owner.wait(30)

    end = watch_run(small_mirror.root, draw, interval_s=0.01)

    assert len(drawn) == 1 and not end.is_complete
    assert f"Run {RUN} has died: its process on " in end.text


def test_ctrl_c_ends_the_watching_only(small_mirror):
    """Without a traceback; the run does not notice."""
    going_on(small_mirror)
    with mirror_lock(small_mirror.root, f"run {RUN}", name=RUN_LOCK):
        words = ["-m", "jwmirror", "status", "--watch", "--mirror", str(small_mirror.root)]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        watching = started(*words, **pipes)
        first = watching.stdout.readline()
        watching.send_signal(signal.SIGINT)
        _, errors = watching.communicate(timeout=60)

    assert first.startswith("Calibrating 2 exposures in 1 job")
    assert watching.returncode == 130
    assert errors == "Not watched any more; the run goes on.\n"
