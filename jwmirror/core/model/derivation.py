"""Derivations: everything that a result depends on."""

from dataclasses import dataclass

from jwmirror.core.model.parameters import PlainValues

STAGES = {  # pipeline -> the stage of a recipe that it belongs to
    **dict.fromkeys(("detector1", "dark", "guider"), 1),
    **dict.fromkeys(("image2", "spec2"), 2),
    **dict.fromkeys(("image3", "spec3", "tso3", "coron3", "ami3"), 3),
}
OF_ASSOCIATIONS = tuple(pipeline for pipeline, stage in STAGES.items() if stage > 1)


def whole_pipeline(name: str) -> str:
    """Return the pipeline that a step run alone belongs to: spec3 of spec3.extract_1d."""
    return name.partition(".")[0]


def single_step(name: str) -> str:
    """Return the step of spec3.extract_1d, which is run alone; "" of a whole pipeline."""
    return name.partition(".")[2]


@dataclass(frozen=True, kw_only=True)
class Input:
    """One input of a derivation; the identity is empty until the stage before is done."""

    name: str  # file name the pipeline sees
    role: str  # exptype: science, background...
    identity: str = ""
    sha256: str = ""  # of the bytes, by which the store has them; not part of the key
    path: str = ""  # absolute, of a file of the user, which the store has not; not in the key


@dataclass(frozen=True, kw_only=True)
class Derivation:
    """Everything that one result depends on; its sha256, the key, is known before the result."""

    pipeline: str  # config's name: detector1, image2, image3... or a step: spec3.extract_1d
    product: str  # root of the result's file names
    engine: dict[str, str]  # jwst, stcal, stdatamodels: version
    inputs: tuple[Input, ...]  # order matters
    parameters: PlainValues  # fully resolved: {parameter: value, steps: {step: {...}}}
    references: dict[str, tuple[str, str]]  # reftype -> (name, sha1); ("N/A", "") where none;
    # of the user's own files: step.parameter -> (name, sha256); where they are is not in the key
    hooks: tuple[tuple[str, str], ...] = ()  # (name, sha256 of source)

    @property
    def stage(self) -> int:
        """The stage of a recipe that the pipeline belongs to: 1, 2 or 3."""
        return STAGES[whole_pipeline(self.pipeline)]
