"""A claim: the limit, the measured figure, and whether it holds."""

from dataclasses import dataclass


class AbsentError(Exception):
    """The program to compare with is not available; the message says why."""


@dataclass(frozen=True, kw_only=True)
class Claim:
    """One figure and its upper limit."""

    what: str
    found: float
    goal: float

    @property
    def holds(self) -> bool:
        """Whether the figure is within its limit."""
        return self.found <= self.goal

    def __str__(self) -> str:
        verdict = "" if self.holds else "  MISSED"
        return f"{self.what}\n    {self.found:.3g}, goal <= {self.goal:g}{verdict}"
