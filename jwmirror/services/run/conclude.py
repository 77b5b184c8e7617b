"""Conclude a run: sum up what was published and what failed."""

from dataclasses import dataclass
from pathlib import Path

from jwmirror.core.model import Failure
from jwmirror.core.model.plan import Published
from jwmirror.store.generations import Generations
from jwmirror.store.runs import read_run


@dataclass(frozen=True, kw_only=True)
class Conclusion:
    """The end of a run in words, and its failures."""

    summary: str
    failures: tuple[Failure, ...]

    @property
    def error(self) -> str:
        """Name what failed, one line each; "" if nothing did."""
        if not self.failures:
            return ""
        lines = (f"{failure.name}: {failure.message}" for failure in self.failures)
        return "\n".join((f"{len(self.failures)} failed; all else is done and published:", *lines))


def conclude_run(*, mirror: Path, run: Path, published: Published, page: str) -> Conclusion:
    """Sum up a run by the records in its folder; `page` is its report, relative to the mirror."""
    records = read_run(run)
    state = "is unchanged"
    if published.is_new:
        state = f"is new: {Generations(mirror).read(published.generation).cause}"
    summary = f"{mirror}/current: generation {published.generation} {state}; {mirror}/{page}"
    return Conclusion(summary=summary, failures=records.failures)
