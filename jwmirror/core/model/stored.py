"""Records of what the mirror has: versions, results, the rows of a manifest, generations."""

from dataclasses import dataclass, field
from typing import Literal

import msgspec

from jwmirror.core.model.history.causes import Cause
from jwmirror.core.model.parameters import ParameterPlace, PlainValues
from jwmirror.core.model.product import Product
from jwmirror.core.model.recipe import Recipe

PRESENT, GONE = "held", "vanished"
UPSTREAM, RAMP = "upstream", "ramp"  # an intermediate file that a recipe may keep


@dataclass(frozen=True, kw_only=True)
class Version:
    """One version of a product: its content is complete and verified in the store."""

    product: Product
    sha256: str
    size: int  # bytes
    identity: str = ""  # science identity; of recalibration inputs (uncal, FITS) only
    header: str = ""  # canonical JSON {CRDS parameter: value}; of recalibration inputs only
    refusal: str = ""  # of an input that cannot be recalibrated: why
    scheme: str = ""  # versions of the functions that read identity and header; "" for the first
    md5: str = ""  # hex, of the bytes; "" if it was not computed
    etag: str = ""  # as MAST sent it with the bytes

    @property
    def fingerprints(self) -> tuple[str, ...]:
        """The fingerprints of the products whose content this is."""
        by_content = (f"md5:{self.md5}",) if self.md5 else ()
        return (self.product.fingerprint, *by_content)


FailureCause = Literal[
    "",  # not recorded: by an earlier version, or not of a stage
    "failed",  # jwst, a hook, or a check of jwmirror
    "killed",  # by the system, probably for lack of memory
    "late",  # it took longer than the config allows
    "disk",  # full, over quota, read-only or unreadable
]


class Failure(msgspec.Struct, frozen=True, omit_defaults=True):
    """A file, exposure or association that failed; the run continued."""

    name: str
    message: str
    recipe: str = ""  # of a calibration
    product: str = ""  # of a calibration: root of the exposure's or association's product
    cause: FailureCause = ""  # of a calibration
    log: str = ""  # of a calibration: file in the folder of the job's logs, if jwst was started
    refused: str = ""  # of a download whose bytes were refused: fingerprint of the product
    at: str = ""  # ISO, UTC: when they were refused
    is_withheld: bool = False  # MAST rejected the token: the run has not failed


@dataclass(frozen=True, kw_only=True)
class ResultFile:
    """One file of a result, in the store."""

    filename: str
    sha256: str
    size: int  # bytes
    identity: str  # science identity


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One row of a manifest: one file in a generation's view."""

    path: str  # below the view: upstream/jw01345/o001/<file>, recalibrated/<recipe>/jw01345/...
    origin: str  # "upstream", or the recipe's name
    sha256: str
    size: int  # bytes
    identity: str = ""
    state: str = PRESENT  # "held", or "vanished" upstream and kept
    product: Product | None = None  # upstream files only
    header: str = ""  # as in Version
    refusal: str = ""  # as in Version
    scheme: str = ""  # as in Version; the identity of a recalibrated file names its own
    result: str = ""  # recalibrated files only: <pipeline>/<product> that made it
    key: str = ""  # recalibrated files only: names provenance/<key>.json
    context: str = ""  # recalibrated files only: the CRDS context it was last found valid under
    quality: str = ""  # recalibrated files only: sound or caveat; "" if it was not measured
    caveats: str = ""  # recalibrated files only: canonical JSON [Caveat, ...]; "" without any
    deselected: str = ""  # ISO time of the last check, if the config does not select it any more

    @property
    def filename(self) -> str:
        """The last part of the path."""
        return self.path.rsplit("/", 1)[-1]

    @property
    def file(self) -> ResultFile:
        """The file of a result that the row shows."""
        return ResultFile(
            filename=self.filename, sha256=self.sha256, size=self.size, identity=self.identity
        )

    @property
    def upstream(self) -> Product:
        """The product of a file that MAST made; ValueError for a recalibrated one."""
        if self.product is None:
            raise ValueError(f"{self.path} is not a product of MAST")
        return self.product


ADDED = "bytes_added"  # among the counts of a generation


@dataclass(frozen=True, kw_only=True)
class Generation:
    """One published, immutable state of the whole mirror: the content of its generation.json."""

    number: int
    parent: int | None  # the generation that was current when it was made
    parent_sha256: str  # of the parent's generation.json; "" where there is no parent
    manifest_sha256: str
    made_at: str  # ISO, UTC
    cause: str  # in words
    # files, bytes; against the parent: new, changed, marked, gone, and bytes_added: of the objects
    # that it was the first to name, if the version that published it counted them
    counts: dict[str, int]
    facts: dict[str, str]  # of the run that published it: its id, CRDS context, sha256 of its setup
    causes: tuple[Cause, ...] = ()  # without paths; earlier versions wrote only `cause`

    @property
    def what_happened(self) -> tuple[str, ...]:
        """Its causes in words, each by itself."""
        return tuple(map(str, self.causes)) or tuple(self.cause.split("; "))


@dataclass(frozen=True, kw_only=True)
class Setup:
    """What a run published a generation with: the content of its setup.json.

    Its sha256 is among the facts of the generation. Earlier versions did not record it.
    """

    config: PlainValues  # as read, with the options of the call
    # as the config means them, without `extends`, in its order; by name in earlier versions
    recipes: tuple[Recipe, ...]
    software: dict[str, dict[str, str]]  # by Python of a recipe ("": the running one): versions
    citation: str = ""  # CITATION.cff of jwmirror
    # where the config says what: recipes.deep.stages -> line 41 of ...
    places: dict[str, str] = field(default_factory=dict)
    parameters: tuple[ParameterPlace, ...] = ()  # of one recipe and name, what overrides first
