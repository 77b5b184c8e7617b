"""Parameter references (pars-*) for the simulated fields, written by stpipe."""

from dataclasses import dataclass

from stpipe._config import StepConfig

from jwmirror_simulator.crds.mappings import ORIGIN, USE_AFTER
from jwmirror_simulator.crds.writer import ReferenceWriter

EXP_TYPE, TSO_VISIT = "META.EXPOSURE.TYPE", "META.VISIT.TSOVISIT"
FILTER, PUPIL = "META.INSTRUMENT.FILTER", "META.INSTRUMENT.PUPIL"

TWEAKREG = {
    "snr_threshold": 10.0,
    "kernel_fwhm": 2.2,
    "minobj": 6,
    "expand_refcat": False,
    "searchrad": 0.5,
    "separation": 0.25,
    "tolerance": 0.12,  # arcsec; the default of 0.7 takes one star of these fields for another
    "fitgeometry": "shift",
}
SOURCE_CATALOG = {"snr_threshold": 8.0, "kernel_fwhm": 2.2, "npixels": 8, "bkg_boxsize": 40}
JUMP = {"rejection_threshold": 5.0, "expand_large_events": True}  # as flight: snowballs are sought


@dataclass(frozen=True)
class Step:
    """A step or pipeline class with the parameters that a reference sets for it and its steps."""

    class_name: str  # as in jwst: jwst.jump.jump_step.JumpStep
    parameters: tuple[tuple[str, object], ...] = ()
    steps: tuple[tuple[str, "Step"], ...] = ()

    @property
    def short_name(self) -> str:
        """Class name without its module: JumpStep."""
        return self.class_name.rpartition(".")[2]

    @property
    def kind(self) -> str:
        """Reference type: pars-jumpstep."""
        return f"pars-{self.short_name.lower()}"

    def config(self, name: str) -> StepConfig:
        """The configuration as stpipe exports it."""
        below = [step.config(each) for each, step in self.steps]
        return StepConfig(self.class_name, name, dict(self.parameters), below)


JUMP_STEP = Step("jwst.jump.jump_step.JumpStep", tuple(JUMP.items()))
TWEAKREG_STEP = Step("jwst.tweakreg.tweakreg_step.TweakRegStep", tuple(TWEAKREG.items()))
SOURCE_CATALOG_STEP = Step(
    "jwst.source_catalog.source_catalog_step.SourceCatalogStep", tuple(SOURCE_CATALOG.items())
)
DETECTOR1 = "jwst.pipeline.calwebb_detector1.Detector1Pipeline"
RAMP_FIT = "jwst.ramp_fitting.ramp_fit_step.RampFitStep"
FOR_IMAGES = Step(
    DETECTOR1, steps=(("jump", Step(JUMP_STEP.class_name, (("maximum_cores", "none"),))),)
)
FOR_TIME_SERIES = Step(
    DETECTOR1, steps=(("ramp_fit", Step(RAMP_FIT, (("suppress_one_group", False),))),)
)
KEYS = {
    JUMP_STEP.kind: (),
    TWEAKREG_STEP.kind: (EXP_TYPE, FILTER, PUPIL),
    SOURCE_CATALOG_STEP.kind: (EXP_TYPE, FILTER, PUPIL),
    FOR_IMAGES.kind: (TSO_VISIT,),
}


def write_parameters(writer: ReferenceWriter, filters: tuple[str, ...]) -> None:
    """Save the parameter references of NIRCam imaging."""
    images = ("NRC_IMAGE", "|".join(filters), "CLEAR")
    put_step(writer, (), JUMP_STEP)
    put_step(writer, images, TWEAKREG_STEP)
    put_step(writer, images, SOURCE_CATALOG_STEP)
    put_step(writer, ("F",), FOR_IMAGES)
    put_step(writer, ("T",), FOR_TIME_SERIES)


def put_step(writer: ReferenceWriter, match: tuple[str, ...], step: Step) -> None:
    """Save a parameter reference in the format of stpipe."""
    filename = writer.name(step.kind, ".asdf")
    with step.config(step.short_name).to_asdf(include_metadata=True) as file:
        file["meta"].update(
            author="jwmirror",
            description=ORIGIN,
            pedigree="DUMMY",
            useafter=USE_AFTER.replace(" ", "T"),
            telescope="JWST",
            reftype=step.kind,
            origin="STSCI",
            instrument={"name": writer.instrument},
        )
        file.write_to(writer.references / filename)
    writer.note(step.kind, match, filename)
