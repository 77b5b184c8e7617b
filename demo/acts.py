"""The four acts of the demo: what changes before each run, and what the run must then do."""

from collections.abc import Callable
from dataclasses import dataclass, field

from demo.site import Site

SAME_SIZE = "jw01345001001_02101_00002_nrcb1_uncal.fits"  # F200W, new bytes of the same size
LARGER = "jw01345001001_04101_00001_nrcb1_uncal.fits"  # F150W
WITHDRAWN = "jw01345-o002_t002_nircam_clear-f200w-sub160_segm.fits"
STAMP = "20260401t000000"
RESTAMPED = "restamped association"
EVERYTHING = {"detector1": 10, "image2": 10, "image3": 3}  # results of the whole program


@dataclass(frozen=True)
class Step:
    """A change of the archive, the references or the config, and what the next run must do.

    `fetched` is None where the run fetches all files of the archive.
    """

    story: str
    change: Callable[[Site], None]
    fetched: frozenset[str] | None = frozenset()
    computed: dict[str, int] = field(default_factory=dict)  # results by pipeline


@dataclass(frozen=True)
class Act:
    """One part of the demo: a title and one or more steps."""

    title: str
    steps: tuple[Step, ...]


def write_config(site: Site) -> None:
    """Write the demo's config unchanged."""
    site.configure()


def reprocess(site: Site) -> None:
    """Reprocess two exposures, restamp an association and withdraw a product at the archive."""
    archive = site.observatory.archive
    site.observatory.reprocess(SAME_SIZE, same_size=True)
    site.observatory.reprocess(LARGER, same_size=False)
    archive.restamp(f200w_association(site), STAMP)
    archive.withdraw(WITHDRAWN)


def f200w_association(site: Site) -> str:
    """Return the name of the mirrored stage-3 association of observation 1 in F200W."""
    folder = site.mirror / "current" / "upstream" / "jw01345" / "o001"
    paths = sorted(folder.glob("*_image3_*_asn.json"))
    return next(path.name for path in paths if "f200w" in path.read_text())


def deliver_flat(site: Site) -> None:
    """Add a CRDS context with another flat of NRCB1 in F200W."""
    site.observatory.new_context(detector="NRCB1", filter="F200W")


def change_ramp_fit(site: Site) -> None:
    """Set one more parameter in the recipe."""
    parameters = {"detector1": {"ramp_fit": {"firstgroup": 1}}}
    site.configure(recipes={"deep": {"parameters": parameters}})


ACTS = (
    Act(
        "Act 1. Mirror program 1345 and recalibrate it with a recipe",
        (Step("The mirror is empty.", write_config, None, EVERYTHING),),
    ),
    Act(
        "Act 2. The archive reprocesses",
        (
            Step(
                f"{SAME_SIZE} changes, but not its size.\n{LARGER} becomes larger.\n"
                f"An association gets a new stamp, and so a new name.\n{WITHDRAWN} is withdrawn.",
                reprocess,
                frozenset({SAME_SIZE, LARGER, RESTAMPED}),
                {"detector1": 2, "image2": 2, "image3": 2},
            ),
        ),
    ),
    Act(
        "Act 3. A new CRDS context changes the F200W flat of NRCB1",
        (Step("Nothing changes at MAST.", deliver_flat, computed={"image2": 4, "image3": 1}),),
    ),
    Act(
        "Act 4. Another ramp_fit parameter, and back",
        (
            Step("detector1.ramp_fit.firstgroup becomes 1.", change_ramp_fit, computed=EVERYTHING),
            Step("The parameter is removed again.", write_config),
        ),
    ),
)
