"""Batches: what one job calibrates."""

from collections.abc import Iterable, Iterator, Sequence

from jwmirror.core.model import Chain, digest

NAME_LENGTH = 12  # hex digits
USUAL = 4 * 10**9  # bytes that an exposure may take for a batch to hold as many as it may

Line = list[Chain]  # of one exposure or association


def cut(chains: Iterable[Chain], batch_size: int) -> dict[str, tuple[Chain, ...]]:
    """Cut chains into batches of at most `batch_size` exposures (or associations), about even.

    Fewer of large ones: what takes memory takes time, and a job that is lost costs less. Chains of
    one exposure stay together, in order. A batch is named by what is to be done in it.
    """
    lines: dict[str, Line] = {}
    for chain in chains:
        lines.setdefault(chain.product, []).append(chain)
    batches = (
        tuple(chain for line in batch for chain in line)
        for batch in _cut(list(lines.values()), batch_size)
    )
    return {_name(batch): batch for batch in batches}


def _cut(lines: Sequence[Line], batch_size: int) -> Iterator[Sequence[Line]]:
    """Lines in order, in as few batches of about equal weight as their sum allows."""
    weights = [max(USUAL, *(chain.memory for chain in line)) for line in lines]
    whole = sum(weights)
    count = -(-whole // (batch_size * USUAL))
    batch: list[Line] = []
    number = passed = 0  # of the batch; weight of all lines so far
    for line, weight in zip(lines, weights, strict=True):
        passed += weight
        now = min(count - 1, passed * count // whole)
        if batch and (now > number or len(batch) == batch_size):
            yield batch
            batch = []
        batch.append(line)
        number = now
    if batch:
        yield batch


def _name(batch: tuple[Chain, ...]) -> str:
    return digest([(chain.recipe, chain.derivations) for chain in batch])[:NAME_LENGTH]
