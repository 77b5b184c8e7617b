"""Why one file is what it is: its pedigree, or the derivation that made it. Pure.

The fields are the keys of `jwmirror explain --json`.
"""

from dataclasses import dataclass, field
from typing import Any

from jwmirror.core.model import Derivation, Entry, Reason, Record, Wait


@dataclass(frozen=True, kw_only=True)
class EarlierResult:
    """A result of the same product under another key, and how it differs from this one."""

    key: str
    made_at: str  # ISO, UTC
    reasons: tuple[Reason, ...]  # old: of the former; new: of this one


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """One file of the current view and, if it was recalibrated here, how it was made."""

    generation: int
    entry: Entry
    record: Record | None
    origins: dict[str, str] = field(default_factory=dict)  # full name of a parameter -> whence
    note: str = ""  # why there are no origins
    former: tuple[EarlierResult, ...] = ()


@dataclass(frozen=True, kw_only=True)
class StagePreview:
    """One stage of a recipe for a product, as the config is now: made before, or to be computed."""

    product: str
    key: str  # "" where an input is still to be made
    is_made: bool
    derivation: Derivation
    reasons: tuple[Reason, ...]  # why it is to be computed
    origins: dict[str, str]  # as in Explanation
    former: tuple[EarlierResult, ...] = ()
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class RecipePreview:
    """What a recipe would do with a file."""

    recipe: str
    stages: tuple[StagePreview, ...]
    waits: tuple[Wait, ...] = ()  # what cannot be done, and why
    notes: tuple[str, ...] = ()


def parameters_by_step(derivation: Derivation) -> dict[str, dict[str, Any]]:
    """Effective parameters, step by step; those of the pipeline itself first, under its name."""
    parameters = derivation.parameters
    own = {name: value for name, value in parameters.items() if name != "steps"}
    return {derivation.pipeline: own, **parameters.get("steps", {})}
