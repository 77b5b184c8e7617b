"""Software of published results, compared with what is installed."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from jwmirror.core.errors import JwmirrorError
from jwmirror.core.model import Reason, Recipe
from jwmirror.pipeline.derivation import COMPUTING
from jwmirror.pipeline.engine_content import ENGINE
from jwmirror.planning.resolvers.by_environment import Resolvers
from jwmirror.report.status import OtherVersion
from jwmirror.store.generations import Generations
from jwmirror.store.provenance import Provenance


def installed_software(
    recipes: Sequence[Recipe], resolvers: Resolvers
) -> dict[str, Mapping[str, str]]:
    """Return the software of each recipe's environment by the recipe, where it can be asked."""
    found: dict[str, Mapping[str, str]] = {}
    for recipe in recipes:
        with suppress(JwmirrorError):  # no references yet, or the environment does not work
            found[recipe.name] = resolvers.of(recipe.python, recipe.context).software
    return found


def other_versions(
    root: Path, installed: Mapping[str, Mapping[str, str]]
) -> tuple[OtherVersion, ...]:
    """Return the versions of published results that differ from those `installed`, by recipe."""
    entries, provenance = Generations(root).entries(), Provenance(root)
    results = dict.fromkeys(zip(entries.column("origin"), entries.column("key"), strict=True))
    counts = Counter(
        (recipe, difference.what, difference.old, difference.new)
        for recipe, key in results
        if key and recipe in installed
        for difference in differing_versions(provenance.software(key), installed[recipe])
    )
    return tuple(
        OtherVersion(
            recipe=recipe, name=name, version=version, installed=present, results=results_of
        )
        for (recipe, name, version, present), results_of in sorted(counts.items())
    )


def differing_versions(
    made_with: Mapping[str, str], installed: Mapping[str, str]
) -> Iterator[Reason]:
    """Yield the packages that compute and are not in keys, whose version is another one now."""
    for name in COMPUTING:
        then, now = made_with.get(name, ""), installed.get(name, "")
        if then and now and then != now:
            yield Reason(name, then, now)


def modified_engines(installed: Mapping[str, Mapping[str, str]]) -> Iterator[str]:
    """Yield a note on each package in keys whose code is not as released."""
    for recipe, software in installed.items():
        for name in ENGINE:
            if name in software:
                yield f"recipe {recipe} runs {software[name]}; its content is part of the keys."
