"""Print for Snakemake how a job of PBS or LSF is doing: running, success or failed.

Called as `job_status.py pbs|lsf JOB`. A job that its scheduler does not know any more counts as a
success: then Snakemake looks whether its output is there.
"""

import re
import subprocess
import sys

COMMANDS = {
    "pbs": ("qstat", "-x", "-f"),
    "lsf": ("bjobs", "-noheader", "-o", "stat exit_code"),
}
# Torque's `qstat -x -f` writes XML: <job_state>C</job_state><exit_status>0</exit_status>
SUCCESS = {"pbs": r"exit_status\W+0\b|unknown job id", "lsf": r"^done\b|is not found"}
FAILED = {"pbs": r"job_state\W+[CF]\b", "lsf": r"^exit\b"}


def status(scheduler: str, job: str) -> str:
    """Return how a job is doing; without an answer it is running."""
    done = subprocess.run([*COMMANDS[scheduler], job], capture_output=True, text=True)
    answer = (done.stdout + done.stderr).strip()
    if re.search(SUCCESS[scheduler], answer, re.IGNORECASE):
        return "success"
    return "failed" if re.search(FAILED[scheduler], answer, re.IGNORECASE) else "running"


if __name__ == "__main__":
    print(status(*sys.argv[1:]))
