"""Checks that the unit tests notice wrong lines: `python -m tests.mutants [sample]`."""

import argparse
import os
import random
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.mutants.runner import SURVIVED, Mutation, run, without_mutation
from tests.mutants.sampling import Candidate, candidates, critical_modules, equivalents
from tests.mutants.table import Row, read_table


def main() -> None:
    """Run the table of mutations, or a random sample."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="tests at a time")
    commands = parser.add_subparsers(dest="command")
    sample = commands.add_parser("sample", help="random mutations of the critical modules")
    sample.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    sample.add_argument("--count", type=int, default=200)
    sample.add_argument("--module", default="", help="only modules whose path begins so")
    sample.add_argument("--guards", action="store_true", help="removed checks, fsyncs, raises ...")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="jwmirror-mutants-") as folder:
        if arguments.command == "sample":
            chosen = _chosen(arguments)
            _run_sample(chosen, Path(folder), arguments.jobs)
        else:
            _run_table(read_table(), Path(folder), arguments.jobs)


def _run_table(rows: Sequence[Row], folder: Path, jobs: int) -> None:
    """Run the mutations of the table; end with an error if one survives."""
    named = sorted({test for row in rows for test in row.tests})
    _check_sound([without_mutation("__init__.py", named)], folder, jobs)
    survivors = []
    for outcome in run([row.mutation() for row in rows], folder, jobs):
        print(outcome, flush=True)
        survivors += [outcome.mutation.name] if outcome.state == SURVIVED else []
    print(f"{len(rows) - len(survivors)} of {len(rows)} mutations were killed")
    if survivors:
        raise SystemExit("No test notices:\n" + "\n".join(survivors))


def _check_sound(unmutated: Sequence[Mutation], folder: Path, jobs: int) -> None:
    """End with an error unless these tests pass without a mutation."""
    failed = []
    for outcome in run(unmutated, folder, jobs):
        if outcome.state == SURVIVED:
            print(f"pass      {outcome.seconds:5.1f} s  {outcome.mutation.name}", flush=True)
        else:
            print(f"FAIL      {outcome.seconds:5.1f} s  {outcome.mutation.name}\n{outcome.log}")
            failed.append(outcome.mutation.file)
    if failed:
        raise SystemExit(f"Tests fail without a mutation, so they say nothing: {failed}")


def _chosen(arguments: argparse.Namespace) -> list[Candidate]:
    """Return the candidates to run: a random sample, or all guards."""
    files = [file for file in critical_modules() if file.startswith(arguments.module)]
    pool = [candidate for file in files for candidate in candidates(file)]
    if arguments.guards:
        pool = [candidate for candidate in pool if candidate.is_guard]
    chosen = random.Random(arguments.seed).sample(pool, min(arguments.count, len(pool)))
    print(f"{len(chosen)} of {len(pool)} mutations, seed {arguments.seed}", flush=True)
    return sorted(chosen, key=lambda candidate: (candidate.file, candidate.line))


def _run_sample(chosen: Sequence[Candidate], folder: Path, jobs: int) -> None:
    """Run random mutations, and print which survive."""
    tests, equivalent = critical_modules(), equivalents()
    by_name = {str(candidate): candidate for candidate in chosen}
    mutations = [Mutation(c.file, c.text, tuple(tests[c.file]), str(c)) for c in chosen]
    survivors: list[Candidate] = []
    named = 0
    for outcome in run(mutations, folder, jobs):
        why = ""
        if outcome.state == SURVIVED:
            survivor = by_name[outcome.mutation.name]
            survivors.append(survivor)
            why = equivalent.get(survivor.identification, "")
            named += bool(why)
        print(outcome, f"(equivalent: {why})" if why else "", flush=True)
    # Tests that a mutation survived pass; the others must pass without one.
    files = {candidate.file for candidate in chosen} - {candidate.file for candidate in survivors}
    _check_sound([without_mutation(file, tests[file]) for file in sorted(files)], folder, jobs)
    killed = len(chosen) - len(survivors)
    print(f"{killed} of {len(chosen)} killed ({killed / len(chosen):.1%}); ", end="")
    print(f"of {len(survivors)} survivors {named} are named in equivalents.yaml")


if __name__ == "__main__":
    main()
