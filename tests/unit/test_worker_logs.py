"""Logs of a job: each in its folder, none empty; full disks by name; heartbeats meanwhile."""

import os
import threading
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from jwmirror.core.model import read
from jwmirror.core.model.run import Heartbeat
from jwmirror.engine.batch import calibrate
from jwmirror.engine.heartbeats import Heartbeats
from tests.setup.calibration import DEEP, CalibrationFolder, folder, observed  # noqa: F401
from tests.setup.small_disks import PAGE, small_disk  # noqa: F401

STAGE_1 = replace(DEEP, stages=(1,))
ENOUGH = 2000  # inodes


def failure_with(folder: CalibrationFolder, chain, work: Path, logs: Path):
    """Calibrate one chain in these folders; return its failure."""
    receipt = calibrate([chain], folder.store, 1, work, logs, 100.0)
    (failure,) = receipt.failures
    return failure


def test_a_product_that_does_not_fit_is_named(folder, small_disk):
    """The scratch is full while jwst writes it: astropy's error has no number and no file."""
    scratch = small_disk(40 * PAGE, ENOUGH)
    (chain,) = folder.plan(STAGE_1, count=1)

    failure = failure_with(folder, chain, scratch / "work", folder.root / "logs")

    assert failure.cause == "disk"
    assert "full disk: No space left on device" in failure.message
    assert f"{chain.product}_rateints.fits" in failure.message and str(scratch) in failure.message
    assert failure.log == f"{chain.product}.log"
    assert list((scratch / "work").iterdir()) == []


def test_a_log_that_cannot_be_made_is_named(folder, small_disk):
    """Before, the process of the stage ended without a word."""
    logs = small_disk(PAGE, 2)
    (logs / "worker.log").touch()  # the last inode
    (chain,) = folder.plan(STAGE_1, count=1)

    failure = failure_with(folder, chain, folder.root / "work", logs)

    assert failure.cause == "disk"
    assert f"No space left on device: '{logs / chain.product}.log'" in failure.message


def test_a_mapped_file_that_finds_no_room_is_no_crash(folder, small_disk):
    """The system ends the process with SIGBUS."""
    scratch = small_disk(400 * PAGE, ENOUGH)
    (chain,) = folder.plan(STAGE_1, count=1)

    failure = failure_with(
        folder, folder.with_hook(chain, "map_too_much"), scratch / "work", folder.root / "logs"
    )

    assert failure.cause == "disk"
    assert "full disk" in failure.message and "mapped.tmp" in failure.message


def test_a_heartbeat_names_stage_and_step_and_ends_with_the_job(folder):
    """One small file for the job, while something runs."""
    (chain,) = folder.plan(STAGE_1, count=1)
    path = folder.root / "run" / "heartbeats" / "exposures-1.json"
    chains, beats = [folder.with_hook(chain, "tell_and_wait")], []

    def look() -> None:
        with folder.listener.accept() as stage:
            stage.recv()
            while not (path.exists() and read(path, Heartbeat).stages[0].step):
                threading.Event().wait(0.05)
            beats.append(read(path, Heartbeat))
            beats.append(os.listdir(path.parent))
            stage.send("go on")

    looking = threading.Thread(target=look, daemon=True)
    looking.start()
    with closing(Heartbeats(path)) as heartbeats:
        receipt = folder.calibrate(chains, heartbeats=heartbeats)
        stays = path.exists()
    looking.join(30)

    assert receipt.failures == ()
    beat, names = beats
    (stage,) = beat.stages
    assert (stage.recipe, stage.product) == ("deep", chain.product)
    assert (stage.pipeline, stage.step) == ("detector1", "group_scale")
    assert (beat.pid, names) == (os.getpid(), [path.name])
    assert stays and not path.parent.exists()


def test_a_disk_without_room_for_heartbeats_changes_nothing(folder, small_disk):
    """The result is computed."""
    disk = small_disk(PAGE, 1)
    (chain,) = folder.plan(STAGE_1, count=1)

    with closing(Heartbeats(disk / "heartbeats" / "1.json")) as heartbeats:
        receipt = folder.calibrate([chain], heartbeats=heartbeats)

    assert receipt.failures == () and len(receipt.computed) == 1


def test_no_log_is_empty_and_servers_have_their_own(folder):
    """The log of a server begins with its Python; a failure quotes only its own server."""
    (chain,) = folder.plan(STAGE_1, count=1)
    other = replace(chain, product="other", context="jwst_0002.pmap")

    folder.calibrate([chain, other])

    logs = {path.name: path.read_text() for path in (folder.root / "logs").iterdir()}
    assert logs.keys() == {"worker.log", "worker-2.log", f"{chain.product}.log"}
    assert all(" start of " in logs[name] for name in ("worker.log", "worker-2.log"))
