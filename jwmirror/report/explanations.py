"""Why one file is what it is: its pedigree, or the derivation that made it. Pure.

The fields are the keys of `jwmirror explain --json`.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

from jwmirror.records import Entry, Record


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """One file of the current view and, if it was recalibrated here, how it was made."""

    generation: int
    entry: Entry
    record: Record | None
    origins: dict[str, str] = field(default_factory=dict)  # full name of a parameter -> whence
    note: str = ""  # why there are no origins

    @property
    def parameters(self) -> dict[str, dict[str, Any]]:
        """Every effective parameter by step; those of the pipeline itself under its own name."""
        return by_step(self.record) if self.record else {}


def by_step(record: Record) -> dict[str, dict[str, Any]]:
    """A result's parameters, step by step; those of the pipeline itself first."""
    parameters = record.derivation.parameters
    own = {name: value for name, value in parameters.items() if name != "steps"}
    return {record.derivation.pipeline: own, **parameters.get("steps", {})}


def named(name: str, paths: Iterable[str]) -> tuple[str, ...]:
    """The paths that a user may mean by a file name, or by a path that ends as they do."""
    wanted = name.removeprefix("./").strip("/")
    return tuple(
        path
        for path in paths
        if path == wanted or path.endswith(f"/{wanted}") or wanted.endswith(f"/{path}")
    )


def nearest(name: str, paths: Iterable[str]) -> list[str]:
    """The file names most like one that is not there."""
    names = sorted({path.rpartition("/")[2] for path in paths})
    return get_close_matches(name.rpartition("/")[2], names, n=5, cutoff=0.6)
