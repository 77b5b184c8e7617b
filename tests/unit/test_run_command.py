"""`jwmirror run`: what it hands to Snakemake, what it shows of a run, and how it ends."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from jwmirror.config.workflow_files import workflow_folder
from jwmirror.core.log import MESSAGES, print_note, read_messages, send_message
from jwmirror.core.model import Failure
from jwmirror.core.model.plan import Published
from jwmirror.core.model.run import RunMessage
from jwmirror.services.run.conclude import Conclusion
from jwmirror.services.start.snakemake import snakemake_arguments
from jwmirror.services.start.summary import summary_lines
from jwmirror.services.start.workflow_run import STOPPED, run_workflow
from tests.setup.mirrors import RUN

ROOT = Path(__file__).parents[2]
BEGIN = """
import os, sys
from pathlib import Path
from jwmirror.core.log import send_message
from jwmirror.core.model.run import RunMessage
print("Snakemake's own words", flush=True)
send_message(RunMessage(kind="begun", text={run!r}, mirror={mirror!r}))
"""
SLEEP = "import time; print('asleep', flush=True); time.sleep(60)\n"


class Terminal:
    """What a call of `jwmirror run` printed, with a Python script in the place of Snakemake."""

    def __init__(self, script: str):
        self.shown: list[str] = []
        self.warned: list[str] = []
        command = (sys.executable, "-c", script)
        self.code = run_workflow(["--cores", "1"], self.shown.append, self.warned.append, command)

    @property
    def lines(self) -> list[str]:
        """All lines, those of errors last."""
        return [*self.shown, *self.warned]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch) -> Path:
    """The current folder: an empty one."""
    (tmp_path / "user").mkdir()
    monkeypatch.chdir(tmp_path / "user")
    return tmp_path / "user"


# ---- arguments ---------------------------------------------------------------------------------


def test_the_snakefile_is_the_installed_one(folder):
    """Unless the user names one, or the folder has a workflow of its own."""
    own = workflow_folder() / "Snakefile"
    assert snakemake_arguments(["-n"], folder) == ["--snakefile", str(own), "-n"]
    assert snakemake_arguments(["-s", "mine"], folder) == ["-s", "mine"]
    assert snakemake_arguments(["--snakefile=mine"], folder) == ["--snakefile", "mine"]

    for name in ("Snakefile", "rules/session.smk"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).touch()

    assert snakemake_arguments([], folder) == ["--snakefile", str(folder / "Snakefile")]


def test_profiles_of_the_workflow_are_found_from_any_folder(folder):
    """`profiles/slurm` is beside the Snakefile; a profile in the user's folder comes first."""
    installed = str(workflow_folder() / "profiles/slurm")
    words = ["--workflow-profile", "profiles/slurm"]
    assert snakemake_arguments(words, folder)[2:] == ["--workflow-profile", installed]
    assert snakemake_arguments(["--workflow-profile=profiles/slurm"], folder)[3] == installed

    (folder / "profiles/slurm").mkdir(parents=True)

    assert snakemake_arguments(words, folder)[2:] == words


@pytest.mark.parametrize("option", ["--workflow-profile", "--profile"])
def test_profiles_of_the_workflow_have_names(folder, option):
    """As a profile of the workflow in either case: as --profile, profiles/default would win."""
    expected = ["--workflow-profile", str(workflow_folder() / "profiles/slurm")]
    assert snakemake_arguments([option, "slurm"], folder)[2:] == expected
    assert snakemake_arguments([f"{option}=profiles/slurm"], folder)[2:] == expected
    assert snakemake_arguments([option, "unknown"], folder)[2:] == [option, "unknown"]


def test_a_profile_of_the_user_comes_first(folder, monkeypatch):
    """That of --profile may be in the user's config folder; beside another one it stays one."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(folder / "settings"))
    both = ["--profile", "slurm", "--workflow-profile", "none"]
    installed = str(workflow_folder() / "profiles/slurm")
    assert snakemake_arguments(both, folder)[2:] == ["--profile", installed, *both[2:]]

    (folder / "settings/snakemake/slurm").mkdir(parents=True)

    assert snakemake_arguments(["--profile", "slurm"], folder)[2:] == ["--profile", "slurm"]


def test_config_with_a_file_is_as_in_other_commands(folder):
    """Snakemake's own --config takes KEY=VALUE, and would end with a message about pairs."""
    assert snakemake_arguments(["--config", "my.yaml"], folder)[2:] == ["--configfile", "my.yaml"]
    assert snakemake_arguments(["--config", "wait=True"], folder)[2:] == ["--config", "wait=True"]


# ---- messages ----------------------------------------------------------------------------------


def test_messages_arrive_in_order_and_only_where_a_run_waits_for_them(tmp_path, monkeypatch):
    """A job on another machine, where the file is not, sends nothing and does not fail."""
    path = tmp_path / "messages"
    note = RunMessage(kind="note", text="line 1\nline 2")
    send_message(note)
    monkeypatch.setenv(MESSAGES, str(path))
    send_message(note)
    assert not path.exists()

    path.touch()
    send_message(note)
    send_message(RunMessage(kind="error", text="broken", details=("a", "b")))
    with open(path, "ab") as file:
        file.write(b'{"kind": "no')  # the next one is being written

    assert [message.text for message in read_messages(path)] == ["line 1\nline 2", "broken"]


def test_a_note_is_printed_and_sent(tmp_path, monkeypatch, capsys):
    """`jwmirror run` keeps what Snakemake prints in a log; a job that waits would wait unseen."""
    path = tmp_path / "messages"
    path.touch()
    monkeypatch.setenv(MESSAGES, str(path))

    print_note("Slurm does not start 2: \x1b[2J")

    assert read_messages(path) == [RunMessage(kind="note", text="Slurm does not start 2: \\x1b[2J")]
    assert capsys.readouterr().err == "Slurm does not start 2: \\x1b[2J\n"


def test_the_error_of_a_conclusion_is_one_sentence_with_details():
    """The sentence for the last line, and one line for each message before it."""
    failures = (Failure("a", "no groups left"), Failure("b", "no groups left"), Failure("c", "x"))

    message = Conclusion(summary="", failures=failures).message

    assert message.text.startswith("3 failed; all else is done and published")
    assert message.details == ("a, b: no groups left", "c: x")


# ---- summary -----------------------------------------------------------------------------------


def test_summary_of_a_run_that_published(small_mirror):
    """Cause, results by pipeline with reasons, qualities, what waits and the site, in few lines."""
    small_mirror.record("published.json", Published(generation=1, is_new=True))
    small_mirror.record("site.json", {"page": "site/index.html"})
    (small_mirror.root / "site").mkdir()
    (small_mirror.root / "site" / "index.html").touch()

    lines = list(summary_lines(small_mirror.root, RUN, is_complete=True))

    assert lines[0] == "Generation 1 is new: run of 2026-03-01"
    assert "Recalibrated: 2 results (1 detector1, 1 image3)" in lines
    assert any(line.startswith("  because: ") and "CAL_VER: 1.17.1" in line for line in lines)
    assert "Results: 2 not measured" in lines
    waiting = next(line for line in lines if line.startswith("Waiting: "))
    assert "1 waiting to be calibrated, " in waiting
    assert "; for example a3001: 2 of 9 members are not there yet; " in waiting
    assert lines[-1] == f"Site: {small_mirror.root}/site/index.html"


def test_summary_of_a_run_that_changed_nothing(small_mirror):
    """Its own records are gone; those of the run that it confirms say what is there and waits."""
    small_mirror.record("published.json", Published(generation=1, is_new=False))

    lines = list(summary_lines(small_mirror.root, "20260401T120000.000000Z-9", is_complete=True))

    assert lines[0] == "Generation 1 is up to date: nothing changed since it was published."
    assert len(lines) == 3 and not any("Recalibrated" in line for line in lines)


def test_summary_of_a_run_that_did_not_publish(small_mirror):
    """It says so, and not that something is up to date."""
    lines = list(summary_lines(small_mirror.root, RUN, is_complete=False))

    assert lines[0].startswith("Nothing was published")


# ---- the child process -------------------------------------------------------------------------


def test_output_of_a_dry_run_is_shown_as_it_is(folder):
    """No run began, so Snakemake's words are the answer, and no log stays."""
    done = Terminal("print('Job stats:'); print('total 2')")

    assert (done.code, done.lines) == (0, ["Job stats:\ntotal 2"])
    assert list((folder / ".snakemake/log").iterdir()) == []


def test_an_error_before_the_run_comes_last_with_its_log(folder):
    """The error that Snakemake printed after its usage, in a sentence that names the log."""
    usage = "print('usage: [--cores N]\\n' * 50)"
    done = Terminal(f"{usage}; print('x: error: unrecognized: --coers'); raise SystemExit(2)")

    log = next((folder / ".snakemake/log").iterdir())
    (line,) = done.lines
    assert done.code == 2 and line.endswith(": unrecognized: --coers; did you mean '--cores'?")
    assert "exit code 2 before the run began" in line and log.name in line
    assert log.stat().st_mode & 0o777 == 0o600


def test_the_reason_of_a_failed_run_is_the_last_line(small_mirror, folder):
    """After the summary, whatever Snakemake prints after it; its words are in the log only."""
    script = BEGIN.format(run=RUN, mirror=str(small_mirror.root)) + (
        "send_message(RunMessage(kind='error', text='the disk is full'))\n"
        "print('Exiting because a job execution failed'); sys.exit(1)"
    )

    done = Terminal(script)

    log = next((folder / ".snakemake/log").iterdir())
    assert done.code == 1 and done.lines[-1] == "the disk is full"
    assert not any("Exiting" in line for line in done.lines)
    assert "Exiting because" in log.read_text() and f".snakemake/log/{log.name}" in done.shown[-1]


def test_a_run_without_a_reason_names_what_failed(small_mirror):
    """A job that was killed sends none; the records and `jwmirror failures` know it."""
    done = Terminal(BEGIN.format(run=RUN, mirror=str(small_mirror.root)) + "sys.exit(1)")

    assert done.code == 1 and "`jwmirror failures` says more" in done.lines[-1]
    assert any("late_exposure: jump: <no> groups left" in line for line in done.warned)


def interrupted(folder: Path, script: str, signals: int) -> tuple[int, str, float]:
    """Exit code, output and seconds of a `jwmirror run` that gets signals when its child sleeps."""
    call = (
        "import sys; from jwmirror.services.start.workflow_run import run_workflow\n"
        f"command = (sys.executable, '-c', {script!r})\n"
        "sys.exit(run_workflow([], print, print, command))"
    )
    with open(folder / "output", "w") as output:
        process = subprocess.Popen(
            [sys.executable, "-c", call], cwd=folder, stdout=output, stderr=output,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )  # fmt: skip
    deadline = time.monotonic() + 60
    while not any("asleep" in log.read_text() for log in folder.glob(".snakemake/log/*")):
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.05)
    started = time.monotonic()
    for _ in range(signals):
        process.send_signal(signal.SIGINT)
        time.sleep(1)
    code = process.wait(30)
    return code, (folder / "output").read_text(), time.monotonic() - started


def test_ctrl_c_ends_the_child_without_a_traceback(folder):
    """The signal reaches it once; its own traceback stays in the log."""
    code, output, _ = interrupted(folder, SLEEP, signals=1)

    assert code == 130 and "Traceback" not in output
    assert output.splitlines()[-1] == STOPPED.format("`jwmirror run`")
    log = next(folder.glob(".snakemake/log/*")).read_text()
    assert log.count("KeyboardInterrupt") == 1


def test_a_second_ctrl_c_kills_what_does_not_end(folder):
    """Jobs that ignore the first one do not keep the terminal."""
    stubborn = "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)\n" + SLEEP

    code, output, seconds = interrupted(folder, stubborn, signals=2)

    assert code == 130 and seconds < 20 and "Press Ctrl-C again" in output


def test_the_log_cannot_be_written(folder, monkeypatch):
    """One sentence with the path and the next step."""
    from jwmirror.core.errors import StoreError

    (folder / ".snakemake").write_text("a file")

    with pytest.raises(StoreError, match="call `jwmirror run` in a folder that you can write to"):
        run_workflow([], print, print, (sys.executable, "-c", ""))


def test_an_error_while_it_runs_ends_the_child_too(folder):
    """As if the terminal is gone: no Snakemake is left behind."""

    def fails(line: str) -> None:
        raise BrokenPipeError

    begin = BEGIN.format(run=RUN, mirror=str(folder / "mirror"))
    script = f"import os; open('pid', 'w').write(str(os.getpid()))\n{begin}{SLEEP}"

    with pytest.raises(BrokenPipeError):
        run_workflow([], fails, print, (sys.executable, "-c", script))

    child = int((folder / "pid").read_text())
    with pytest.raises(ProcessLookupError):
        os.kill(child, 0)
