"""Where the values of a result's parameters come from: the layers below it, read again offline."""

from collections.abc import Iterator, Mapping
from typing import Any, Protocol

from jwmirror.core.model import DEFAULT, Derivation, Recipe, canonical
from jwmirror.pipeline.derivation import flat
from jwmirror.pipeline.parameters.resolution import effective, sayings
from jwmirror.planning.resolver import Settled


class ResolvesByLayer(Protocol):
    """What this needs of references.Resolver."""

    def settle(self, pipeline: str, header: str, asked: Mapping[str, Any]) -> Settled:
        """Every parameter of a pipeline for an exposure."""

    def pars(self, pipeline: str, header: str) -> Iterator[tuple[str, dict[str, Any]]]:
        """The parameter references that apply, by name, and what they say."""


def origins(
    made: Derivation, recipe: Recipe, header: str, resolver: ResolvesByLayer
) -> dict[str, str]:
    """By full name (jump.rejection_threshold), what each parameter of a result has its value from.

    `header` is that of the exposure that speaks for the inputs. Where recipe or references have
    changed since, the value of now is told with its origin.
    """
    asked = effective(recipe, header).get(made.pipeline, {"steps": {}})
    now = flat(resolver.settle(made.pipeline, header, asked).parameters)
    layers = list(resolver.pars(made.pipeline, header))
    layers += ((place, said.get(made.pipeline, {})) for place, said in sayings(recipe, header))
    places = {name: place for place, content in layers for name in flat(content)}
    found = {}
    for name, value in flat(made.parameters).items():
        place = places.get(name, DEFAULT)
        is_so = canonical(now.get(name)) == canonical(value)
        found[name] = place if is_so else f"changed since: {canonical(now.get(name))} by {place}"
    return found
