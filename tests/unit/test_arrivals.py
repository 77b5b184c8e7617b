"""Publication on a shared file system: what other machines wrote may appear late."""

import os
import shutil
import threading
import time
from dataclasses import replace

import pytest

from jwmirror.core.model import Poll, Receipt, References, SettleResult, read
from jwmirror.services.run import calibrate
from jwmirror.services.run.jobs import arrivals
from jwmirror.services.run.jobs.arrivals import await_inputs, await_results
from jwmirror.services.run.jobs.attempts import BatchJob
from jwmirror.services.run.jobs.folders import open_work
from tests.setup.mirrors import SmallMirror
from tests.setup.records import chain, derivation, science


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Look often."""
    monkeypatch.setattr(arrivals, "LOOK_S", 0.01)


@pytest.fixture
def receipt(small_mirror: SmallMirror) -> Receipt:
    """The receipt of a job that computed one result."""
    return read(small_mirror.run_folder / "exposures/b1.json", Receipt)


@pytest.mark.parametrize("part", ["object", "record", "rest of an object"])
def test_a_late_file_is_waited_for(small_mirror, receipt, part):
    """An object, its record, or bytes that are not shown yet."""
    (result,) = receipt.results
    sha256 = result.files[0].sha256
    late = small_mirror.root / "objects" / sha256[:2] / sha256
    if part == "record":
        late = small_mirror.root / "provenance" / f"{result.key}.json"
    hidden = small_mirror.root.parent / "hidden"
    shutil.move(late, hidden)
    if part == "rest of an object":
        late.touch()
    arriving = threading.Timer(0.3, lambda: hidden.rename(late))
    arriving.start()

    await_results(small_mirror.root, [receipt], latency_s=30)

    assert late.exists() and not hidden.exists()


def test_folders_of_missing_files_are_listed(small_mirror, receipt, monkeypatch):
    """NFS asks its server about a folder then; it answers from its cache that a file is missing."""
    late = small_mirror.root / "provenance" / f"{receipt.results[0].key}.json"
    hidden, list_folder = late.rename(small_mirror.root.parent / "hidden"), os.listdir

    def list_as_nfs(folder):
        if folder == late.parent and hidden.exists():
            hidden.rename(late)
        return list_folder(folder)

    monkeypatch.setattr(os, "listdir", list_as_nfs)

    await_results(small_mirror.root, [receipt], latency_s=30)

    assert late.exists()


def test_a_job_waits_for_its_inputs(small_mirror):
    """An input that another node has stored; not for a file of the user, which has a path."""
    sha256 = next(row.sha256 for row in small_mirror.rows.values())
    late = small_mirror.root / "objects" / sha256[:2] / sha256
    hidden = late.rename(small_mirror.root.parent / "hidden")
    stored, own = (replace(science("a_uncal.fits"), sha256=each) for each in (sha256, "ab" * 32))
    inputs = (stored, replace(own, path="/nowhere/a_uncal.fits"))
    arriving = threading.Timer(0.3, lambda: hidden.rename(late))
    arriving.start()

    began = time.monotonic()
    await_inputs(small_mirror.root, [chain(derivation(inputs=inputs))], latency_s=30)

    assert late.exists() and not hidden.exists()
    assert time.monotonic() - began < 25


def test_a_job_computes_nothing_before_its_inputs_are_there(small_mirror, monkeypatch, tmp_path):
    """As long as `latency-wait` of Snakemake says."""
    work, run = tmp_path / "work" / "run", small_mirror.run_folder
    open_work(work)
    began: list[float] = []
    monkeypatch.setattr(
        calibrate, "calibrate", lambda *_, **__: began.append(time.monotonic()) or Receipt()
    )
    late = chain(derivation(inputs=(replace(science("a_uncal.fits"), sha256="ab" * 32),)))

    started = time.monotonic()
    calibrate.calibrate_batch(
        mirror=small_mirror.root,
        job=BatchJob(run, "exposures", "b9", 1, 1, 10**9),
        chains=[late],
        references=References(context="", server="", files={}),
        poll=Poll(listings=(), changes=()),
        settling=SettleResult(),
        cache=tmp_path / "cache",
        work=work,
        logs=tmp_path / "logs",
        timeout_s=60,
        latency_s=0.3,
    )

    assert began[0] - started >= 0.3


def test_what_does_not_come_is_not_waited_for_longer(small_mirror, receipt):
    """Nor is what the run did not compute: that was there when it was planned."""
    lost = replace(receipt.results[0], key="ab" * 32)
    receipt = replace(receipt, results=(lost,), computed=(lost.key,))

    began = time.monotonic()
    await_results(small_mirror.root, [receipt], latency_s=0.2)
    waited = time.monotonic() - began
    await_results(small_mirror.root, [replace(receipt, computed=())], latency_s=1000)

    assert 0.2 <= waited < 10
