"""The answers of `jwmirror doctor` as records.

The fields of the records are the keys of `jwmirror doctor --json`.
"""

from dataclasses import dataclass
from typing import Literal

OK: Literal["ok"] = "ok"
WARN: Literal["warn"] = "warn"
FAIL: Literal["fail"] = "fail"
Outcome = Literal["ok", "warn", "fail"]


@dataclass(frozen=True)
class Check:
    """One thing that was checked, in words; `step` is what to do next, empty if it is ok."""

    subject: str
    outcome: Outcome
    found: str
    step: str = ""


@dataclass(frozen=True, kw_only=True)
class Diagnosis:
    """All checks of one call, in the order of the table."""

    mirror: str
    checks: tuple[Check, ...]

    @property
    def has_failed(self) -> bool:
        """Return whether a check failed; warnings do not count."""
        return any(check.outcome == FAIL for check in self.checks)
