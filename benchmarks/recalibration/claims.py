"""What is claimed, what was found, and whether it holds."""

from dataclasses import dataclass


class AbsentError(Exception):
    """What is to be compared with cannot be had here; the text says why."""


@dataclass(frozen=True, kw_only=True)
class Claim:
    """One figure and the most that it may be."""

    what: str
    found: float
    goal: float

    @property
    def holds(self) -> bool:
        """Whether the figure is as good as claimed."""
        return self.found <= self.goal

    def __str__(self) -> str:
        verdict = "" if self.holds else "  MISSED"
        return f"{self.what}\n    {self.found:.3g}, goal <= {self.goal:g}{verdict}"
