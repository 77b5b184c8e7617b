"""What happens to jobs on a cluster: a section of docs/reliability.md, measured on a real Slurm.

Tests below tests/torture measure the rows; `python -m tests.reliability cluster` writes them.
"""

import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "reliability.md"
WRITE = "JWMIRROR_WRITE_RELIABILITY"  # environment variable: write rows instead of comparing them
TESTS = ("tests/torture/test_slurm_ends.py", "tests/torture/test_slurm_sites.py")
TITLE = "## Jobs on a cluster\n"
OPENING = f"""\
{TITLE}
Each row is a run on a real Slurm of two nodes in which one thing goes wrong. *Attempts* are the
ends of the attempts of each job: `memory, done` is a job that was killed for memory, restarted, and
done. *Slurm jobs* counts the jobs that were submitted, *computed again* how often an exposure was
begun after its first time. *As locally* counts the results with the same science as after a run on
one machine. *Wrong* counts objects with other bytes than their name says, and jobs left in Slurm.
`make torture` compares each row with what it finds. `python -m tests.reliability cluster` writes
them (half an hour). [On a cluster](cluster.md#what-to-do-after) says what to do.
"""
HEAD = (
    "what happens",
    "attempts",
    "Slurm jobs",
    "computed again",
    "as locally",
    "wrong",
    "message",
)
ROWS = {
    "memory": "one of three exposures of a job needs more memory than the job has",
    "memory beside others": "one of three exposures of a job needs it only beside the others",
    "three ends": "one job is killed for memory, one is cancelled, one reaches its time limit",
    "cancelled": "half of the jobs are cancelled (scancel)",
    "node": "a node goes down, and comes back",
    "preempted": "a job is preempted",
    "killed run": "snakemake is killed (kill -9) while two jobs run and one waits; then a new run",
    "two users": "the same, while another user's run has jobs; its reference cache is read-only",
    "no start": "a job requests more time than its partition has; then Ctrl-C",
    "scratch": "the scratch of the nodes is full",
    "scratch again": "the next run finds room there",
    "no network": "the nodes have no network; the four acts of the demo, one after the other",
}


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What came of a run on a cluster."""

    ends: Counter[tuple[str, ...]]  # of the attempts of each job, and the number of such jobs
    jobs: int  # in Slurm's accounts
    repeated: int  # exposures that were begun once more
    results: int
    as_local: int  # of the results
    wrong: int
    message: str = ""

    def line(self, name: str) -> str:
        """The line of the table for one of `ROWS`."""
        ends = "; ".join(f"{n} x {', '.join(causes)}" for causes, n in sorted(self.ends.items()))
        results = f"{self.as_local} of {self.results}"
        cells = (ROWS[name], ends, self.jobs, self.repeated, results, self.wrong, self.message)
        return f"| {' | '.join(map(str, cells))} |"


def compare(name: str, outcome: Outcome) -> None:
    """AssertionError if something is wrong, or the page has another line, or none.

    If lines are being written, write it. A line that says that nothing was measured yet agrees with
    every outcome.
    """
    assert (outcome.wrong, outcome.as_local) == (0, outcome.results), outcome
    line, text = outcome.line(name), PAGE.read_text()
    known = lines_of(text)
    if os.environ.get(WRITE):
        PAGE.write_text(text.replace(section(known), section(known | {name: line})))
    elif known.get(name) != _unmeasured(name):
        assert line == known.get(name), "`python -m tests.reliability cluster` writes the page"


def lines_of(text: str) -> dict[str, str]:
    """The lines of the table in the text of a page, by the names of `ROWS`."""
    lines = text.partition(TITLE)[2].partition("\n## ")[0].splitlines()
    found = {line.split(" | ")[0].removeprefix("| "): line for line in lines}
    return {name: found[words] for name, words in ROWS.items() if words in found}


def section(lines: Mapping[str, str]) -> str:
    """The section of the page, with these lines by the names of `ROWS`."""
    head = [f"| {' | '.join(HEAD)} |", "|---" * len(HEAD) + "|"]
    return "\n".join([OPENING, *head, *(lines.get(name) or _unmeasured(name) for name in ROWS)])


def _unmeasured(name: str) -> str:
    return f"| {ROWS[name]} | not measured yet |{'  |' * (len(HEAD) - 2)}"
