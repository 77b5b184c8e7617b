"""Run the demo: four acts on the simulated observatory, all files in build/demo.

After each run, the demo prints what was fetched and recalibrated, and why. It ends with exit
code 0 if each run did exactly what the act expects; otherwise it prints the difference.
"""

import shutil
import socket
import sys
import time
from collections import Counter
from collections.abc import Iterable
from contextlib import ExitStack, suppress
from pathlib import Path

from rich.console import Console

from demo.acts import ACTS, EVERYTHING, RESTAMPED, SAME_SIZE, Act, Step
from demo.site import ROOT, Site, Tally
from jwmirror.core.model import Reason
from jwmirror.core.model.plan import NEVER_CALIBRATED
from jwmirror.core.model.run import Run
from jwmirror.store.generations import Generations
from jwmirror_simulator.observatory import Observatory

OUTPUT = ROOT / "build" / "demo"
PIPELINES = ("detector1", "image2", "image3")
INDENT = " " * 18
SERVERS = 3  # archive, references, star catalogues: at ports that follow each other
MOST_CHANGES = 6  # listed after a run; the others are counted
console = Console(highlight=False, soft_wrap=True)


def main(folder: Path = OUTPUT) -> None:
    """Build the observatory in `folder`, play all acts, and list commands to go on with."""
    started = time.monotonic()
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    console.print("Building the simulated observatory: sky, telescope, references, archive ...")
    observatory = Observatory.build(folder / "observatory")
    console.print(f"[dim]  {time.monotonic() - started:.0f} s[/dim]")
    port = free_port()
    with observatory.serve(port):
        site = Site(folder, observatory)
        play(site)
    seconds = time.monotonic() - started
    console.print(f"\nIn all four acts, each run did exactly what it had to ({seconds:.0f} s).")
    list_commands(site, port)


def free_port() -> int:
    """Return a port that is free, as are the next two; the config is right when it is used again.

    It is below the ports that the system gives to programs that ask for any. Exit with a message
    if none is free.
    """
    for first in range(24_000, 32_000, SERVERS):
        with suppress(OSError), ExitStack() as stack:
            for number in range(first, first + SERVERS):
                stack.enter_context(socket.create_server(("127.0.0.1", number)))
            return first
    sys.exit("no three ports between 24000 and 32000 are free")


def play(site: Site, acts: Iterable[Act] = ACTS) -> None:
    """Play acts; exit with a message when a run does not do what it must."""
    for act in acts:
        console.print(f"\n[bold]{act.title}[/bold]")
        for step in act.steps:
            play_step(site, step)


def play_step(site: Site, step: Step) -> None:
    """Make the change of a step, run snakemake, and check what it did."""
    console.print(step.story, markup=False)
    step.change(site)
    run_snakemake(site)
    report_and_check(site, step)


def run_snakemake(site: Site) -> None:
    """Run snakemake with profiles/demo; its output goes to a log beside the config."""
    console.print(f"[dim]$ {' '.join(site.command())}[/dim]")
    started = time.monotonic()
    try:
        site.snakemake()
    except AssertionError as err:
        sys.exit(str(err))
    console.print(f"[dim]  {time.monotonic() - started:.0f} s[/dim]")


def report_and_check(site: Site, step: Step) -> None:
    """Print what the last run did, and exit if it is not what the step expects."""
    run, tally = site.run(), site.tally()
    generation = Generations(site.mirror).require_current()
    upstream = sum(entry.origin == "upstream" for entry in generation.entries())
    print_fetched(run, tally)
    print_recalibrated(run, tally)
    results = sum(EVERYTHING.values())
    untouched = results - sum(tally.computed.values())
    files = upstream - len(tally.fetched)
    console.print(f"  unchanged     {untouched} of {results} results, {files} files")
    check(step, tally, run)
    console.print(f"  generation    {generation.number}")


def print_fetched(run: Run, tally: Tally) -> None:
    """Print how many files a run fetched, and the changes that it found at MAST."""
    size = sum(receipt.downloaded for receipt in run.fetch_receipts)
    console.print(f"  fetched       {len(tally.fetched)} files, {size / 1e6:.1f} MB")
    for program, count in run.first_polls.items():
        console.print(f"{INDENT}first poll of program {program}: {count} products")
    for change in run.changes_since_first_poll[:MOST_CHANGES]:
        reasons = "; ".join(map(str, change.reasons[:2]))
        console.print(f"{INDENT}{change.kind}: {change.product.filename}  {reasons}", markup=False)
    if len(run.changes_since_first_poll) > MOST_CHANGES:
        console.print(f"{INDENT}... and {len(run.changes_since_first_poll) - MOST_CHANGES} more")


def print_recalibrated(run: Run, tally: Tally) -> None:
    """Print the number of results by pipeline, and the five most frequent reasons."""
    counts = ", ".join(f"{tally.computed.get(name, 0)} {name}" for name in PIPELINES)
    console.print(f"  recalibrated  {counts}")
    reasons = Counter(reason_text(chain.reasons) for chain in run.chains)
    for reason, count in reasons.most_common(5):
        console.print(f"{INDENT}{count} because {reason}", markup=False)


def reason_text(reasons: tuple[Reason, ...]) -> str:
    """Return the first of the reasons why one result is out of date, and how many follow."""
    if reasons == (NEVER_CALIBRATED,):
        return "there was no earlier result"
    more = f" (and {len(reasons) - 1} more reasons)" if len(reasons) > 1 else ""
    return f"{reasons[0]}{more}"


def check(step: Step, tally: Tally, run: Run) -> None:
    """Exit with a message if a run did not fetch and compute exactly what the step expects."""
    stamped = {c.product.filename for c in run.changes if c.kind == "restamped"}
    fetched = frozenset(RESTAMPED if name in stamped else name for name in tally.fetched)
    if step.fetched is not None and fetched != step.fetched:
        sys.exit(f"expected to fetch {sorted(step.fetched)}, fetched {sorted(fetched)}")
    if tally.computed != step.computed:
        sys.exit(f"expected to compute {step.computed}, computed {tally.computed}")
    console.print("  [green]exactly what had to be done[/green]")


def list_commands(site: Site, port: int) -> None:
    """Draw the pictures of the site; print where it is, and commands that show the mirror."""
    site.jwmirror("site")
    console.print(f"The site: {site.mirror / 'site' / 'index.html'}\nLook at the mirror:")
    rate, setting = SAME_SIZE.replace("uncal", "rate"), "deep.detector1.jump.rejection_threshold=6"
    console.print(f"  source {ROOT}/.venv/bin/activate && cd {site.folder}", soft_wrap=True)
    for words in ("log", f"explain {rate}", f"diff 1 2 {rate}", f"plan --set {setting}"):
        console.print(f"  jwmirror {words}")
    console.print("  ls mirror/current/recalibrated/deep/jw01345/o001")
    console.print("To run it again, start the servers, and then, in the same folder:")
    console.print(f"  python -m jwmirror_simulator serve --root observatory --port {port} &")
    console.print("  jwmirror run")


if __name__ == "__main__":
    main()
