"""Batches: the chains that one job calibrates."""

from collections.abc import Iterable, Iterator, Sequence

from jwmirror.core.grouping import group_by
from jwmirror.core.model import Chain, digest

NAME_LENGTH = 12  # hex digits
USUAL = 4 * 10**9  # bytes; exposures that need more make a batch smaller

Group = list[Chain]  # of one exposure or association


def make_batches(chains: Iterable[Chain], batch_size: int) -> dict[str, tuple[Chain, ...]]:
    """Cut chains into batches of at most `batch_size` exposures (or associations).

    Batches are of about equal size, with fewer of the exposures that need much memory: these take
    longer, and more is lost if their job fails. The chains of one exposure stay together, in
    order. The name of a batch depends on its recipes and derivations only.
    """
    groups = group_by(chains, lambda chain: chain.product)
    batches = (
        tuple(chain for group in batch for chain in group)
        for batch in _cut(list(groups.values()), batch_size)
    )
    return {_name(batch): batch for batch in batches}


def _cut(groups: Sequence[Group], batch_size: int) -> Iterator[Sequence[Group]]:
    """Yield the groups in order, in as few batches of about equal weight as possible."""
    weights = [max(USUAL, *(chain.memory for chain in group)) for group in groups]
    total = sum(weights)
    count = -(-total // (batch_size * USUAL))
    batch: list[Group] = []
    number = passed = 0  # of the batch; weight of all groups so far
    for group, weight in zip(groups, weights, strict=True):
        passed += weight
        number_now = min(count - 1, passed * count // total)
        if batch and (number_now > number or len(batch) == batch_size):
            yield batch
            batch = []
        batch.append(group)
        number = number_now
    if batch:
        yield batch


def _name(batch: tuple[Chain, ...]) -> str:
    return digest([(chain.recipe, chain.derivations) for chain in batch])[:NAME_LENGTH]
