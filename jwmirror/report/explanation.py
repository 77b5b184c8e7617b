"""Explanation of one file: its pedigree, or the derivation that made it. Pure.

The fields are the keys of `jwmirror explain --json`.
"""

from dataclasses import dataclass, field
from typing import Any

from jwmirror.core.model import Derivation, Entry, Reason, Wait
from jwmirror.core.model.plan import ProvenanceRecord
from jwmirror.core.model.quality import Quality


@dataclass(frozen=True, kw_only=True)
class EarlierResult:
    """Another result of the same product, under another key, and how it differs from this one."""

    key: str
    made_at: str  # ISO, UTC
    reasons: tuple[Reason, ...]  # old: of that result; new: of this one
    recipes: tuple[str, ...] = ()  # that published it; () if no generation on record has it


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """One file of the current view, or held back; if it was recalibrated, how it was made."""

    generation: int
    entry: Entry
    record: ProvenanceRecord | None
    # full name of a parameter -> source of its value
    origins: dict[str, str] = field(default_factory=dict)
    note: str = ""  # why the origins are unknown
    former: tuple[EarlierResult, ...] = ()
    # software outside the key: old: what it was made with; new: what is installed
    other_versions: tuple[Reason, ...] = ()
    quality: Quality | None = None  # of the result; None for a file of MAST
    units: dict[str, str] = field(default_factory=dict)  # of the values of files that were measured
    is_published: bool = True  # False: held back by the last run, so its path is not in the view
    # of a file of MAST: what the last run refused, doubts or could not decide about it, in words
    at_mast: tuple[str, ...] = ()
    exclusive: str = ""  # until when, in words; "": public, or not published


@dataclass(frozen=True, kw_only=True)
class StagePreview:
    """One stage of a recipe for a product under the current config: computed already, or not."""

    product: str
    key: str  # "" if an input is not computed yet
    is_made: bool
    derivation: Derivation
    reasons: tuple[Reason, ...]  # why it is not the published one; empty if it is
    origins: dict[str, str]  # as in Explanation
    former: tuple[EarlierResult, ...] = ()
    note: str = ""
    is_held_back: bool = False  # computed, and not published because of its quality


@dataclass(frozen=True, kw_only=True)
class RecipePreview:
    """Effect of the next run on a file under one recipe."""

    recipe: str
    stages: tuple[StagePreview, ...]
    waits: tuple[Wait, ...] = ()  # what cannot be calibrated, and why
    notes: tuple[str, ...] = ()


def parameters_by_step(derivation: Derivation) -> dict[str, dict[str, Any]]:
    """Return step -> effective parameters; first those of the pipeline itself, under its name."""
    parameters = derivation.parameters
    own = {name: value for name, value in parameters.items() if name != "steps"}
    return {derivation.pipeline: own, **parameters.get("steps", {})}
