"""Jobs that the executor would wait for without end: Slurm does not start them, or preempted them.

While a run is at work, it reports why jobs are not started, and requeues those that were preempted.
"""

import re
import threading
from collections.abc import Iterable, Iterator

from jwmirror.core.grouping import group_by
from jwmirror.core.log import print_note
from jwmirror.engine.slurm import requeue_preempted_jobs, waiting_jobs

LOOK_S = 20.0  # between two questions to Slurm
SHOWN = 5  # ids in a message
# Reasons that end without anyone's doing: other jobs end, or Slurm comes to this one.
ORDINARY = re.compile(
    "None|Priority|Resources|BeginTime|Prolog|Cleaning|Licenses|JobArrayTaskLimit"
    r"|(?!.*Minutes)(QOS|Assoc)(Grp|MaxJobs|Max\w+PerUser)\w*"
)


def watch_waiting_jobs(job_name: str, ended: threading.Event) -> None:
    """Print why Slurm does not start jobs of this name, each reason once, until `ended` is set.

    Requeue what Slurm has preempted: the executor takes such a job as one that goes on.
    """
    reported: set[str] = set()
    while not ended.wait(LOOK_S):
        for job in requeue_preempted_jobs(job_name):
            print_note(f"Slurm has preempted job {job}; it is requeued.")
        for reason, jobs in unusual_waits(waiting_jobs(job_name)):
            if reason not in reported:
                reported.add(reason)
                print_note(_message(reason, jobs))


def unusual_waits(jobs: Iterable[tuple[str, str]]) -> Iterator[tuple[str, list[str]]]:
    """Yield each reason that may last for ever, with the ids of the (id, reason) that have it."""
    for reason, waiting in group_by(jobs, lambda job: job[1]).items():
        if not ORDINARY.fullmatch(reason):
            yield reason, [job for job, _ in waiting]


def _message(reason: str, jobs: list[str]) -> str:
    more = f" and {len(jobs) - SHOWN} more" if len(jobs) > SHOWN else ""
    return (
        f"Slurm does not start {', '.join(jobs[:SHOWN])}{more}: {reason}. The run waits for them. "
        f"`scontrol show job {jobs[0]}` shows what a job requests, and `scontrol show partition` "
        "what the partition allows. To change it: stop this run (Ctrl-C), correct your profile, "
        "and run again."
    )
