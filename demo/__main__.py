"""The demo: the main job on the simulated observatory, in four acts, told and counted.

`python -m demo.__main__` plays it in ./demo. It ends with 0 if each act fetched and
recalibrated exactly what it should have, and says what was different if not.
"""

import shutil
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console

from jwmirror.planning.builder import NEW
from jwmirror.core.model import Reason
from jwmirror.core.model.run import Run
from jwmirror.store.generations import Generations
from jwmirror_simulator.observatory import Observatory
from demo.site import Site, Tally

PIPELINES = ("detector1", "image2", "image3")
INDENT = " " * 18
console = Console(highlight=False, soft_wrap=True)


@dataclass(frozen=True)
class Scene:
    """What happens before a run, and what the run must then do; `fetched` None = all there is."""

    story: str
    happen: Callable[[Site], None]
    fetched: frozenset[str] | None = frozenset()
    computed: dict[str, int] = field(default_factory=dict)


# ---- the four acts ---------------------------------------------------------------------------

TWIN = "jw01345001001_02101_00002_nrcb1_uncal.fits"  # F200W, new bytes of the same size
LARGER = "jw01345001001_04101_00001_nrcb1_uncal.fits"  # F150W
GONE = "jw01345-o002_t002_nircam_clear-f200w-sub160_segm.fits"
STAMP = "20260401t000000"


def open_mirror(site: Site) -> None:
    """A config is all there is yet."""
    site.configure()


def reprocess(site: Site) -> None:
    """What MAST does every three months, in small."""
    archive = site.observatory.archive
    site.observatory.reprocess(TWIN, same_size=True)
    site.observatory.reprocess(LARGER, same_size=False)
    archive.restamp(association(site), STAMP)
    archive.withdraw(GONE)


def association(site: Site) -> str:
    """The file name of the stage-3 association of observation 1 in F200W, as it is held."""
    held = (site.mirror / "current" / "upstream" / "jw01345" / "o001").glob("*_image3_*_asn.json")
    return next(path.name for path in sorted(held) if "f200w" in path.read_text())


def new_context(site: Site) -> None:
    """CRDS delivers one flat: of NRCB1 in F200W."""
    site.observatory.new_context(detector="NRCB1", filter="F200W")


def change_ramp_fit(site: Site) -> None:
    """The user tries another parameter."""
    parameters = {"detector1": {"ramp_fit": {"firstgroup": 1}}}
    site.configure(recipes={"deep": {"parameters": parameters}})


ALL = {"detector1": 10, "image2": 10, "image3": 3}
ACTS = (
    (
        "Act 1. Mirror program 1345 and recalibrate it with a recipe",
        [Scene("The mirror is empty.", open_mirror, None, ALL)],
    ),
    (
        "Act 2. The archive reprocesses",
        [
            Scene(
                f"{TWIN} gets new bytes of the very same size, {LARGER} grows,\n"
                f"an association gets a new stamp, {GONE} is gone.",
                reprocess,
                frozenset({TWIN, LARGER, "restamped association"}),
                {"detector1": 2, "image2": 2, "image3": 2},
            )
        ],
    ),
    (
        "Act 3. A new CRDS context changes the F200W flat of NRCB1",
        [Scene("Nothing changes at MAST.", new_context, computed={"image2": 4, "image3": 1})],
    ),
    (
        "Act 4. Another ramp_fit parameter, and back",
        [
            Scene("detector1.ramp_fit.firstgroup becomes 1.", change_ramp_fit, computed=ALL),
            Scene("It is taken back.", open_mirror),
        ],
    ),
)


# ---- telling ---------------------------------------------------------------------------------


def call_snakemake(site: Site) -> None:
    """A plain snakemake call on profiles/demo; its output goes to a log beside the config."""
    command = " ".join(site.command())
    console.print(f"[dim]$ {command}[/dim]")
    started = time.monotonic()
    try:
        site.snakemake()
    except AssertionError as err:
        sys.exit(str(err))
    console.print(f"[dim]  {time.monotonic() - started:.0f} s[/dim]")


def tell(run: Run, done: Tally, held: int) -> None:
    """Say what a run fetched and recalibrated, why, and what it left alone."""
    fetched = sum(receipt.downloaded for receipt in run.fetched)
    console.print(f"  fetched       {len(done.fetched)} files, {fetched / 1e6:.1f} MB")
    for program, count in run.first_polls.items():
        console.print(f"{INDENT}first poll of program {program}: {count} products")
    for change in run.news[:6]:
        told = "; ".join(map(str, change.reasons[:2]))
        console.print(f"{INDENT}{change.kind}: {change.product.filename}  {told}", markup=False)
    if len(run.news) > 6:
        console.print(f"{INDENT}... and {len(run.news) - 6} more")
    counts = ", ".join(f"{done.computed.get(name, 0)} {name}" for name in PIPELINES)
    console.print(f"  recalibrated  {counts}")
    for told, count in reasons(run):
        console.print(f"{INDENT}{count} because {told}", markup=False)
    alone = sum(ALL.values()) - sum(done.computed.values())
    console.print(
        f"  left alone    {alone} of {sum(ALL.values())} results, {held - len(done.fetched)} files"
    )


def reasons(run: Run) -> Iterator[tuple[str, int]]:
    """Why chains were out of date, most frequent first: ("image2: flat: a -> b", 4)."""
    told = Counter(why(chain.reasons) for chain in run.chains)
    return iter(told.most_common(5))


def why(found: tuple[Reason, ...]) -> str:
    """The reasons of one chain in a line; the first of many."""
    if found == (NEW,):
        return "they were never made before"
    more = f" (and {len(found) - 1} more like it)" if len(found) > 1 else ""
    return f"{found[0]}{more}"


def check(scene: Scene, done: Tally, run: Run) -> None:
    """End the demo if a run did not do exactly what it had to."""
    stamped = {c.product.filename for c in run.changes if c.kind == "restamped"}
    fetched = frozenset("restamped association" if f in stamped else f for f in done.fetched)
    if scene.fetched is not None and fetched != scene.fetched:
        sys.exit(f"expected to fetch {sorted(scene.fetched)}, fetched {sorted(fetched)}")
    if done.computed != scene.computed:
        sys.exit(f"expected to compute {scene.computed}, computed {done.computed}")
    console.print("  [green]exactly what had to be done[/green]")


def play(site: Site) -> None:
    """Play all acts."""
    for title, scenes in ACTS:
        console.print(f"\n[bold]{title}[/bold]")
        for scene in scenes:
            console.print(scene.story, markup=False)
            scene.happen(site)
            call_snakemake(site)
            run, generation = site.run(), Generations(site.mirror).current()
            done = site.tally()
            held = sum(entry.origin == "upstream" for entry in generation.entries())
            tell(run, done, held)
            check(scene, done, run)
            console.print(f"  generation    {generation.number}")


def main(folder: Path) -> None:
    """Build the observatory, play, and say where to look."""
    started = time.monotonic()
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    console.print("Building the simulated observatory: sky, telescope, references, archive ...")
    observatory = Observatory.build(folder / "observatory")
    console.print(f"[dim]  {time.monotonic() - started:.0f} s[/dim]")
    with observatory.serve():
        site = Site(folder, observatory)
        play(site)
    report = sorted((site.mirror / "reports").glob("*.html"))[-1]
    console.print(f"\nAll four acts went as they should, in {time.monotonic() - started:.0f} s.")
    console.print(f"The report: {report}\nLook around:")
    rate, setting = TWIN.replace("uncal", "rate"), "deep.detector1.jump.rejection_threshold=6"
    for words in ("log", f"explain {rate}", f"diff 1 2 {rate}", f"plan --set {setting}"):
        console.print(f"  .venv/bin/jwmirror {words} --config {site.config_file}")
    console.print(f"  ls {site.mirror}/current/recalibrated/deep/jw01345/o001")
    console.print("To go on, serve it again, and put the addresses that it tells into the config:")
    console.print(f"  .venv/bin/python -m jwmirror_simulator serve --root {observatory.root}")


if __name__ == "__main__":
    main(Path("demo"))
