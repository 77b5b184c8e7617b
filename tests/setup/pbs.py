"""A small stand-in for PBS: qsub, qstat and qdel on this machine, one job at a time each."""

import os
from pathlib import Path

QSUB = """#!/bin/sh
# qsub OPTIONS SCRIPT
for script; do :; done
jobs={folder}/jobs
mkdir -p $jobs
number=$(($(ls $jobs | wc -l) + 1))
mkdir $jobs/$number
echo "$*" > $jobs/$number/options
(PBS_JOBID=$number setsid sh "$script" > $jobs/$number/output 2>&1 & echo $! > $jobs/$number/pid
 wait $!; echo $? > $jobs/$number/exit) > /dev/null 2>&1 &
echo $number
"""
QSTAT = """#!/bin/sh
# qstat -x -f JOB
job={folder}/jobs/$3
[ -d $job ] || {{ echo "qstat: Unknown Job Id $3" >&2; exit 153; }}
echo "Job Id: $3"
if [ -s $job/exit ]; then
  printf '    job_state = F\\n    Exit_status = %s\\n' $(cat $job/exit)
else
  echo "    job_state = R"
fi
"""
QDEL = """#!/bin/sh
# qdel JOB...
for job; do kill -9 -$(cat {folder}/jobs/$job/pid); done
"""


def install_pbs(folder: Path) -> dict[str, str]:
    """Write the three programs into a folder; return the environment in which they are found."""
    programs = folder / "bin"
    programs.mkdir(parents=True)
    for name, text in (("qsub", QSUB), ("qstat", QSTAT), ("qdel", QDEL)):
        (programs / name).write_text(text.format(folder=folder))
        (programs / name).chmod(0o755)
    return {"PATH": f"{programs}{os.pathsep}{os.environ['PATH']}"}
