"""Limits on large runs: what a run would fetch or compute, if it is more than the config allows."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from jwmirror.core.errors import LimitError, as_typed, command_to_run
from jwmirror.core.grouping import group_by
from jwmirror.core.model import Chain, Change, Orders, Plan, Product
from jwmirror.core.model.history.reasons import traced_reasons, words_of
from jwmirror.report.formatting import count

GB = 1_000_000_000
TYPICAL_SIZE = 100_000_000  # bytes of a file, if no size is known; that of many raw exposures
MAX_CAUSES = 8  # shown


def check_fetch(orders: Orders, changes: Iterable[Change], limit_gb: float | None) -> None:
    """Raise LimitError if the orders have more bytes than the limit; None: no limit.

    A file whose size MAST does not state counts as the mean of the others, or as TYPICAL_SIZE.
    """
    products = [product for ordered in orders.products.values() for product in ordered]
    total = _gigabytes(products)
    if limit_gb is not None and total > limit_gb:
        kinds = {change.product.uri: change.kind for change in changes}
        raise LimitError(
            "\n".join(
                (
                    f"The run would fetch {total:,.1f} GB, expected at most {limit_gb:,g} GB "
                    "(limits.fetch_gb):",
                    *_programs(products, kinds),
                    "Nothing was fetched or changed. Narrow `programs` in the config, or, if all "
                    f"this is wanted, run {command_to_run('accept=fetch')} once, or raise the "
                    "limit.",
                )
            )
        )


def _gigabytes(products: Sequence[Product]) -> float:
    known = [product.size for product in products if product.size is not None]
    mean = sum(known) / len(known) if known else TYPICAL_SIZE
    return (sum(known) + mean * (len(products) - len(known))) / GB


def _programs(products: Iterable[Product], kinds: dict[str, str]) -> Iterator[str]:
    for program, items in sorted(group_by(products, lambda item: item.program).items()):
        unknown = sum(item.size is None for item in items)
        sizes = f"; {count(unknown, 'file')} of unknown size" if unknown else ""
        counts = Counter(kinds.get(item.uri, "new") for item in items)
        words = ", ".join(f"{number:,} {kind}" for kind, number in sorted(counts.items()))
        known = sum(item.size or 0 for item in items) / GB
        yield f"  program {program}: {count(len(items), 'file')} ({words}), {known:,.1f} GB{sizes}"


def check_results(plans: Iterable[Plan], limit: int | None) -> None:
    """Raise LimitError if plans have more results to compute than the limit; None: no limit."""
    chains = [chain for plan in plans for chain in plan.chains]
    total = sum(len(chain.derivations) for chain in chains)
    if limit is not None and total > limit:
        raise LimitError(
            "\n".join(
                (
                    f"The run would compute {total:,} results, expected at most {limit:,} "
                    "(limits.results):",
                    *_recipes(chains),
                    "because of:",
                    *_causes(chains),
                    "Nothing was computed or published; what was fetched is not fetched again. "
                    f"{as_typed('plan --all')} lists the results. docs/upgrading.md says how to "
                    "go in steps. If all this is wanted, run "
                    f"{command_to_run('accept=results')} once, or raise the limit.",
                )
            )
        )


def _recipes(chains: Iterable[Chain]) -> Iterator[str]:
    for recipe, of_recipe in sorted(group_by(chains, lambda chain: chain.recipe).items()):
        pipelines = Counter(d.pipeline for chain in of_recipe for d in chain.derivations)
        words = ", ".join(f"{pipeline} {number:,}" for pipeline, number in pipelines.items())
        programs = ", ".join(map(str, sorted({chain.program for chain in of_recipe})))
        yield f"  recipe {recipe}: {words} (program {programs})"


def _causes(chains: Iterable[Chain]) -> Iterator[str]:
    """Yield the causes, the most frequent first, each with the number of its products."""
    traced = traced_reasons(chains).values()
    causes = Counter(words for reasons in traced for words in set(map(words_of, reasons)))
    yield from (f"  {words} ({number:,})" for words, number in causes.most_common(MAX_CAUSES))
    if len(causes) > MAX_CAUSES:
        yield f"  and {len(causes) - MAX_CAUSES} others"
