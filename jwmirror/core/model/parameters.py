"""Records of the parameters that the installed jwst has, and the type of their values."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

PlainValues = dict[str, Any]  # Any: nested mappings, lists, and whatever plain values stpipe takes
PlainMapping = Mapping[str, Any]  # Any: the same


@dataclass(frozen=True, kw_only=True)
class Remarks:
    """The findings of a check of parameters: mistakes refuse a config, notes do not."""

    mistakes: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class ParameterPlace:
    """Where a config sets a parameter of a recipe."""

    recipe: str
    name: str  # as in a config, without `steps`: detector1.jump.rejection_threshold
    value: str  # a text, or JSON
    place: str  # in words: line 41 of config.yaml


@dataclass(frozen=True, kw_only=True)
class Parameter:
    """One parameter, as stpipe describes it; texts are written as in a config."""

    name: str
    type: str  # float, integer, boolean, string, option, list, file...
    default: str | None  # None: there is no default; the parameter must be set
    allowed: tuple[str, ...] = ()  # of an option; empty: any value of the type
    minimum: str | None = None
    maximum: str | None = None
    help: str = ""

    @property
    def range(self) -> str:
        """The allowed values in short: a, b; or 0 to 6; or >= 0."""
        low, high = self.minimum, self.maximum
        if self.allowed:
            return ", ".join(self.allowed)
        if low is not None and high is not None:
            return f"{low} to {high}"
        return f">= {low}" if low is not None else f"<= {high}" if high is not None else ""


@dataclass(frozen=True, kw_only=True)
class ParameterGroup:
    """The parameters of one step, or (step "") of a pipeline itself."""

    pipeline: str
    step: str
    class_name: str  # jwst.jump.jump_step.JumpStep
    stage: int
    parameters: tuple[Parameter, ...]

    @property
    def name(self) -> str:
        """The name as in a config: detector1.jump."""
        return f"{self.pipeline}.{self.step}".rstrip(".")
