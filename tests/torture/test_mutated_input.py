"""Damaged and hostile files and answers: whatever they contain, each reader refuses them itself."""

import json
import subprocess
import sys
from pathlib import Path

from tests.torture.mill import SEED, times

SEEDS = times(250, 20_000)
AT_ONCE = 5000  # seeds of one process


def problems_of(first: int, last: int, folder: Path) -> dict[int, str]:
    """Read odd input of these seeds in other processes; what went wrong, by seed."""
    problems: dict[int, str] = {}
    while first < last:
        folder.mkdir(exist_ok=True)
        program = [sys.executable, "-m", "tests.torture.odd_readers"]
        numbers = [str(first), str(min(last, first + AT_ONCE))]
        done = subprocess.run(
            [*program, *numbers, str(folder)], capture_output=True, text=True, check=False
        )
        lines = done.stdout.splitlines()
        for line in lines:
            if line.startswith("{"):
                problem = json.loads(line)
                problems[problem["seed"]] = problem["problem"]
        seeds = [int(line) for line in lines if line.isdecimal()]
        first = max(seeds, default=first) + 1
        if done.returncode:
            problems[first - 1] = f"ended with {done.returncode}: {done.stderr[-2000:]}"
            folder = folder.with_name(f"{folder.name}-{first}")
    return problems


def test_odd_input_is_refused_by_its_reader(tmp_path):
    """No error but that of the reader, no path outside, at most 10 s and 1 GB for each."""
    first = SEED * 1000

    problems = problems_of(first, first + SEEDS, tmp_path / "odd")

    assert not problems, "\n\n".join(f"seed {seed}: {text}" for seed, text in problems.items())
