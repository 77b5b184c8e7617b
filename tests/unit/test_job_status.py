"""How jobs of PBS and LSF are doing, in the words of Snakemake."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import yte

PROGRAM = Path(__file__).parents[2] / "profiles" / "cluster-generic" / "job_status.py"
FINISHED = "Job Id: 17.head\n    Job_Name = jwmirror\n    job_state = F\n    Exit_status = {}\n"
TORQUE = "<Data><Job><Job_Id>17.head</Job_Id><job_state>{}</job_state>{}</Job></Data>\n"


@pytest.mark.parametrize(
    ("scheduler", "answer", "status"),
    [
        ("pbs", "Job Id: 17.head\n    job_state = R\n", "running"),
        ("pbs", "Job Id: 17.head\n    job_state = Q\n", "running"),
        ("pbs", FINISHED.format(0), "success"),
        ("pbs", FINISHED.format(271), "failed"),  # qdel
        ("pbs", "Job Id: 17.head\n    job_state = F\n", "failed"),  # deleted before it began
        ("pbs", TORQUE.format("R", ""), "running"),
        ("pbs", TORQUE.format("C", "<exit_status>0</exit_status>"), "success"),
        ("pbs", TORQUE.format("C", "<exit_status>271</exit_status>"), "failed"),
        ("pbs", "qstat: Unknown Job Id 17.head\n", "success"),  # its output decides
        ("pbs", "qstat: cannot connect to server head\n", "running"),
        ("lsf", "RUN -\n", "running"),
        ("lsf", "PEND -\n", "running"),
        ("lsf", "DONE -\n", "success"),
        ("lsf", "EXIT 137\n", "failed"),
        ("lsf", "Job <17> is not found\n", "success"),
        ("lsf", "", "running"),
    ],
)
def test_the_status_of_a_job_is_that_of_its_scheduler(tmp_path, scheduler, answer, status):
    """As qstat and bjobs write it. Without an answer, nothing has ended."""
    for name in ("qstat", "bjobs"):
        (tmp_path / name).write_text(f"#!/bin/sh\ncat <<'E'\n{answer}E\n")
        (tmp_path / name).chmod(0o755)

    done = subprocess.run(
        [sys.executable, str(PROGRAM), scheduler, "17.head"],
        env={"PATH": f"{tmp_path}:/usr/bin:/bin"},
        capture_output=True,
        text=True,
    )

    assert done.stdout == f"{status}\n"


def profile(text: str, folder: Path, monkeypatch) -> dict:
    """Return the profile as Snakemake reads it in a folder."""
    monkeypatch.chdir(folder)
    return yte.process_yaml(text)


def test_the_profile_asks_with_the_python_that_runs_snakemake(tmp_path, monkeypatch):
    """Whether or not its environment is activated: a login node may have no `python`.

    The program is that of the installed workflow, in whatever folder the run is started.
    """
    read = profile((PROGRAM.parent / "config.yaml").read_text(), tmp_path, monkeypatch)

    python, program, scheduler = shlex.split(read["cluster-generic-status-cmd"])

    assert python == sys.executable
    assert (Path(program), scheduler) == (PROGRAM, "pbs")


def test_the_lines_for_lsf_are_right_too(tmp_path, monkeypatch):
    """They are comments until somebody needs them. A wheel keeps no permission to execute."""
    text = (PROGRAM.parent / "config.yaml").read_text()
    text = re.sub(r"(?m)^cluster-generic-\w+-cmd:.*\n(  .*\n)*", "", text)

    read = profile(re.sub(r"(?m)^# (?=cluster-generic|  )", "", text), tmp_path, monkeypatch)

    shell, program, *words = shlex.split(read["cluster-generic-submit-cmd"])
    assert shell == "sh" and Path(program) == PROGRAM.parent / "bsub.sh"
    assert words[:2] == ["-J", "jwmirror"] and "{resources.mem_mb}MB" in words
    assert words[-1] == "span[hosts=1] rusage[mem={resources.mem_mb}MB]"
    assert shlex.split(read["cluster-generic-status-cmd"])[-1] == "lsf"
    assert read["cluster-generic-cancel-cmd"] == "bkill"
