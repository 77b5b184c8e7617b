"""Batches: what one job calibrates."""

from collections.abc import Iterable
from itertools import pairwise

from jwmirror.records import Chain, digest

NAME_LENGTH = 12  # hex digits


def cut(chains: Iterable[Chain], batch_size: int) -> dict[str, tuple[Chain, ...]]:
    """Cut chains into batches of at most `batch_size` exposures (or associations), about even.

    Chains of one exposure stay together, in order. A batch is named by what is to be done in it.
    """
    lines: dict[str, list[Chain]] = {}
    for chain in chains:
        lines.setdefault(chain.product, []).append(chain)
    together = list(lines.values())
    count = -(-len(together) // batch_size)
    edges = [len(together) * i // count for i in range(count + 1)] if count else []
    batches = (
        tuple(chain for line in together[start:end] for chain in line)
        for start, end in pairwise(edges)
    )
    return {_name(batch): batch for batch in batches}


def _name(batch: tuple[Chain, ...]) -> str:
    return digest([(chain.recipe, chain.derivations) for chain in batch])[:NAME_LENGTH]
