"""A call of the workflow: its id, its lock on the mirror, its work folder, memory of its jobs."""

import ast
import importlib
import logging
import os
import subprocess
import sys
import threading
from functools import cache

import crds.core.config
import pytest

from jwmirror.core.mirror import mark_mirror
from jwmirror.core.model import Plan, read, write
from jwmirror.core.model.plan import LEVELS, JobLimits, level_in_words
from jwmirror.pipeline import child_environment
from jwmirror.services.configure import checked_config
from jwmirror.services.run import session
from jwmirror.services.run.jobs.requests import batches_of, chains_of, job_request
from jwmirror.services.run.session import (
    RUN_ID,
    RunSession,
    config_or_exit,
)
from jwmirror.store.lock import RUN_LOCK, lock_note
from jwmirror.store.runs import RunFiles, newest_first
from tests.setup import records

LATE_ID, *EARLY_IDS = (f"{year}0301T120000.000000Z-1" for year in (2025, 2099, 2026))


@pytest.fixture(autouse=True)
def fresh_id(monkeypatch):
    """No run is under way in the environment; what a test sets there is undone."""
    monkeypatch.setenv(RUN_ID, "")
    monkeypatch.delenv(RUN_ID)


def test_jobs_of_a_run_share_its_id_and_folders(tmp_path):
    """A job is another process, which gets the id through the environment."""
    first = RunSession(tmp_path, wait=False)
    job = RunSession(tmp_path, wait=False, is_job=True)

    assert first.id == job.id
    assert job.files.poll == tmp_path / "receipts/runs" / first.id / "changes.json"


def test_a_run_makes_its_own_id(tmp_path, monkeypatch):
    """What the user exported, such as the id of an earlier run, is not taken."""
    monkeypatch.setenv(RUN_ID, "20260301T120000.000000Z-1")

    run = RunSession(tmp_path, wait=False)

    assert run.id != "20260301T120000.000000Z-1"
    assert os.environ[RUN_ID] == run.id


@pytest.mark.parametrize("passed", ["", "mine", "../20260301T120000.000000Z-1"])
def test_a_job_without_the_id_of_its_run_ends_in_words(passed, tmp_path, monkeypatch):
    """An id of a run would be made up otherwise, or name a folder elsewhere."""
    monkeypatch.setenv(RUN_ID, passed)

    with pytest.raises(SystemExit, match="pass the environment of the main process"):
        RunSession(tmp_path, wait=False, is_job=True)


def test_a_run_has_the_mirror_alone(tmp_path, capsys):
    """The second one exits with code 1 and names the first; after the first it begins."""
    first, second = RunSession(tmp_path, wait=False), RunSession(tmp_path, wait=False)
    first.begin()

    with pytest.raises(SystemExit, match=f"run {first.id}"):
        second.begin()
    first.end()
    second.begin()

    assert lock_note(tmp_path, RUN_LOCK)
    second.end()
    assert lock_note(tmp_path, RUN_LOCK) is None


def test_runs_are_numbered_in_the_order_in_which_they_lock_the_mirror(tmp_path, monkeypatch):
    """Whatever their clocks say. A run that does not get the mirror gets no number."""
    monkeypatch.setattr(session, "_new_id", iter([LATE_ID, *EARLY_IDS]).__next__)
    waiting, first, refused = (RunSession(tmp_path, wait=False) for _ in range(3))
    first.begin()
    with pytest.raises(SystemExit):
        refused.begin()
    first.end()
    waiting.begin()
    waiting.end()

    runs = newest_first(tmp_path / "receipts" / "runs")

    assert [run.name for run in runs] == [waiting.id, first.id]
    assert [read(RunFiles(run).number, int) for run in runs] == [2, 1]


def test_a_run_can_wait_for_another(tmp_path, capsys):
    """It says for whom, and begins when the other ends."""
    first, second = RunSession(tmp_path, wait=False), RunSession(tmp_path, wait=True)
    first.begin()
    threading.Timer(0.2, first.end).start()

    second.begin()

    assert "Waiting: " in capsys.readouterr().err
    second.end()


def test_a_run_does_not_use_the_variables_of_the_user_and_says_which(tmp_path, monkeypatch, capsys):
    """In the process that plans, and in all that it starts; others stay.

    Those that the crds package sets when it is imported are not the user's.
    """
    importlib.reload(crds.core.config)
    remove = cache(child_environment.remove_user_variables.__wrapped__)  # as in a new process
    for module in (session, checked_config):
        monkeypatch.setattr(module, "remove_user_variables", remove)
    for name in child_environment.OURS:  # that other tests have set
        monkeypatch.delenv(name, raising=False)
    foreign = {"CRDS_CONTEXT": "jwst_0001.pmap", "CRDS_MODE": "remote", "STRICT_VALIDATION": "1"}
    for name, value in ({"CRDSPATH": "stays"} | foreign).items():
        monkeypatch.setenv(name, value)

    config_or_exit([], ["programs=1345"], replaces=True)
    run = RunSession(tmp_path, wait=False)
    run.begin()
    run.end()

    assert not foreign.keys() & os.environ.keys() and os.environ["CRDSPATH"] == "stays"
    message = capsys.readouterr().err
    assert message.startswith(f"Not used: {', '.join(foreign)} of your environment")


def test_a_run_does_not_name_the_defaults_of_crds(tmp_path):
    """A notebook that has imported jwst passes them to the commands that it calls."""
    code = "import crds, os; print({**os.environ})"
    shown = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    variables = ast.literal_eval(shown.stdout)
    of_notebook = {k: v for k, v in variables.items() if k not in child_environment.OURS}
    of_notebook |= {"CRDS_MODE": "remote"}
    begin = (
        "import sys; from pathlib import Path; "
        "from jwmirror.services.run.session import RunSession; "
        "RunSession(Path(sys.argv[1]), wait=False).begin()"
    )

    begun = subprocess.run(
        [sys.executable, "-c", begin, tmp_path / "mirror"],
        env=of_notebook,
        check=True,
        capture_output=True,
        text=True,
    )

    assert "CRDS_DOWNLOAD_MODE" in of_notebook and "PASS_INVALID_VALUES" in of_notebook
    assert "Not used: CRDS_MODE of your environment" in begun.stderr


def test_a_job_does_not_name_the_variables_that_it_inherits(monkeypatch, caplog):
    """The main process has named them; the job only removes them."""
    caplog.set_level(logging.INFO)
    monkeypatch.setenv("CRDS_ADD_LOG_MSG_COUNTER", "true")

    child_environment.remove_user_variables.__wrapped__()

    assert "CRDS_ADD_LOG_MSG_COUNTER" not in os.environ
    assert caplog.text == ""


def test_processes_that_run_jwst_do_not_get_the_variables_of_the_user(monkeypatch):
    """Even if they were set after the run began; what jwmirror sets for CRDS is passed on."""
    given = {"CRDS_OBSERVATORY": "hst", "STPIPE_DISABLE_CRDS_STEPPARS": "no", "CRDS_PATH": "/ours"}
    for name, value in given.items():
        monkeypatch.setenv(name, value)

    found = child_environment.child_environment()

    assert (found["CRDS_PATH"], found["STPIPE_DISABLE_CRDS_STEPPARS"]) == ("/ours", "true")
    assert "CRDS_OBSERVATORY" not in found


def test_work_folders_of_killed_runs_are_deleted_and_so_is_its_own(tmp_path):
    """Killed runs delete nothing themselves. What the user put into work/ stays."""
    session = RunSession(tmp_path, wait=False)
    mark_mirror(tmp_path)
    for name in ("20260301T120000.000000Z-1", "20260301T120000.000000Z-1.old", "thesis"):
        (tmp_path / "work" / name).mkdir(parents=True)

    session.begin()
    at_work = sorted(path.name for path in tmp_path.glob("work/*"))
    session.end()
    session.end()

    assert at_work == ["20260301T120000.000000Z-1.old", session.id, "thesis"]
    assert not session.work.exists()


def test_a_run_refuses_a_folder_that_is_no_mirror(tmp_path):
    """It names what it found there, and changes nothing."""
    (tmp_path / "work" / "20260301T120000.000000Z-1").mkdir(parents=True)

    with pytest.raises(SystemExit, match=r"expected a new or empty folder.*found work; nothing"):
        RunSession(tmp_path, wait=False).begin()

    assert [path.name for path in tmp_path.rglob("*")] == ["work", "20260301T120000.000000Z-1"]


def test_mistakes_in_the_config_end_the_call_with_code_2(tmp_path, capsys):
    """All of them are printed."""
    config = tmp_path / "config.yaml"
    config.write_text("programs: []\nmirrors: x\n")

    with pytest.raises(SystemExit) as ended:
        config_or_exit([config], [])

    assert ended.value.code == 2
    assert "Mistakes in the config:\n" in capsys.readouterr().err


def test_a_batch_of_a_plan_file_is_estimated(tmp_path):
    """By its chains; with fewer threads, it needs less memory."""
    chains = [records.chain(records.derivation(product=n), memory=2 * 10**9) for n in ("a", "b")]
    write(tmp_path / "plan.json", Plan(context="c", batches={"b1": tuple(chains)}))

    assert list(batches_of(tmp_path / "plan.json")) == ["b1"]
    assert chains_of(tmp_path / "plan.json", "b1") == tuple(chains)
    wide, narrow = (
        job_request(tmp_path / "plan.json", "b1", JobLimits(), threads) for threads in (8, 1)
    )

    assert (wide.threads, narrow.threads, wide.chains) == (2, 1, 2)
    assert wide.memory == narrow.memory + 2 * 10**9


def test_job_lines_say_in_words_what_a_level_has():
    """All levels, whole or a number of them."""
    assert [level_in_words(level) for level in LEVELS] == [
        "exposures",
        "associations of stage 2",
        "associations of stage 3",
        "grism associations of stage 2",
        "grism associations of stage 3",
        "single steps",
    ]
    assert level_in_words("exposures", 1) == "1 exposure"
    assert level_in_words("associations-3", 2) == "2 associations of stage 3"


@pytest.mark.parametrize("is_published", [True, False])
def test_a_run_that_did_not_publish_says_how_to_go_on(tmp_path, capsys, is_published):
    """Snakemake names only the job. What a run has published, its conclusion says."""
    run = RunSession(tmp_path, wait=False)
    run.begin()
    if is_published:
        write(run.files.published, {})

    run.fail()

    said = capsys.readouterr().err
    assert ("`jwmirror failures`" in said) == (not is_published)
