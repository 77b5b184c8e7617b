"""Records of one call of the workflow."""

from collections import Counter
from dataclasses import dataclass

from jwmirror.core.model import (
    NEW,
    Chain,
    Change,
    Failure,
    Plan,
    Poll,
    Published,
    Receipt,
    References,
    Settling,
    Wait,
)

NOTHING_MADE = "nothing fetched or computed: former results, or other facts"


@dataclass(frozen=True, kw_only=True)
class Run:
    """The records of one run; what it did not get to is None or empty."""

    id: str
    poll: Poll | None = None
    settling: Settling | None = None
    references: References | None = None
    plans: tuple[Plan, ...] = ()
    fetched: tuple[Receipt, ...] = ()
    computed: tuple[Receipt, ...] = ()
    published: Published | None = None

    @property
    def changes(self) -> tuple[Change, ...]:
        """How the archive differed from the mirror."""
        return self.poll.changes if self.poll else ()

    @property
    def first_polls(self) -> dict[int, int]:
        """Programs of which nothing was held before -> how many products were there."""
        firsts = self.poll.first if self.poll else ()
        found = Counter(each.product.program for each in self.changes if self._is_backlog(each))
        return {program: found[program] for program in firsts}

    @property
    def news(self) -> tuple[Change, ...]:
        """The changes but for the backlog that a first poll finds."""
        return tuple(change for change in self.changes if not self._is_backlog(change))

    def _is_backlog(self, change: Change) -> bool:
        return change.kind == NEW and change.product.program in self.poll.first

    @property
    def chains(self) -> tuple[Chain, ...]:
        """What was found out of date, in the order of the plans."""
        batches = (batch for plan in self.plans for batch in plan.batches.values())
        return tuple(chain for batch in batches for chain in batch)

    @property
    def waits(self) -> tuple[Wait, ...]:
        """What cannot be calibrated yet."""
        return tuple(wait for plan in self.plans for wait in plan.waits)

    @property
    def failures(self) -> tuple[Failure, ...]:
        """What failed while the run went on, and what no run can calibrate as it is."""
        refused = (wait for plan in self.plans for wait in plan.failures)
        receipts = (*self.fetched, *self.computed)
        doubts = self.poll.doubts.values() if self.poll else ()
        return (
            *(Failure(name="listing of MAST", message=why) for why in doubts),
            *(failure for each in receipts for failure in each.failures),
            *(
                Failure(
                    name=f"{wait.recipe}: {wait.product}",
                    message=wait.why,
                    recipe=wait.recipe,
                    product=wait.product,
                )
                for wait in refused
            ),
        )

    @property
    def computed_keys(self) -> tuple[str, ...]:
        """Keys of the results that this run really computed."""
        return tuple(key for receipt in self.computed for key in receipt.computed)

    @property
    def cause(self) -> str:
        """Why the mirror's state changes with this run: 2 reprocessed, 1 vanished; 3 results."""
        kinds = Counter(change.kind for change in self.news)
        firsts = ", ".join(
            f"first poll of program {program}: {count:,} product{'' if count == 1 else 's'}"
            for program, count in self.first_polls.items()
        )
        changed = ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items()))
        made = len(self.computed_keys)
        results = f"{made} result{'' if made == 1 else 's'} computed" if made else ""
        return "; ".join(filter(None, (firsts, changed, results))) or NOTHING_MADE

    @property
    def unfinished(self) -> tuple[Chain, ...]:
        """The chains that were out of date and still are: they failed, or the run was stopped."""
        results = (result for receipt in self.computed for result in receipt.results)
        made = {(result.recipe, result.pipeline, result.product) for result in results}
        return tuple(
            chain
            for chain in self.chains
            if any((chain.recipe, d.pipeline, d.product) not in made for d in chain.derivations)
        )
