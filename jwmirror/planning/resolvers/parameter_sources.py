"""Origins of parameter values: default, parameter reference, recipe, or where-block."""

from collections.abc import Sequence

from jwmirror.core.model import Derivation, Recipe, canonical
from jwmirror.core.model.derivation import whole_pipeline
from jwmirror.core.model.plan import DEFAULT
from jwmirror.pipeline.derivation import by_full_name
from jwmirror.pipeline.parameters.resolution import parameter_layers
from jwmirror.planning.resolvers.by_environment import resolve_stage
from jwmirror.planning.resolvers.local import Resolver


def parameters_set_otherwise(
    derivation: Derivation, members: Sequence[str], resolver: Resolver
) -> dict[str, str]:
    """Return the values of a result's parameters that are not those of the pipeline and of CRDS.

    By full name (jump.rejection_threshold), as JSON. `members` as in resolve_stage.
    """
    plain = resolve_stage(resolver, Recipe(name="", programs=()), derivation.pipeline, members)
    without, former = by_full_name(plain.parameters), by_full_name(plain.former or {})
    made = {name: canonical(value) for name, value in by_full_name(derivation.parameters).items()}
    return {
        name: value
        for name, value in made.items()
        if value not in (canonical(without.get(name)), canonical(former.get(name, "")))
    }


def parameter_sources(
    derivation: Derivation, recipe: Recipe, members: Sequence[str], resolver: Resolver
) -> dict[str, str]:
    """Return the origin of each parameter of a result by its full name (jump.maximum_cores).

    `members` as in resolve_stage. If a value would be another one now, because recipe or references
    have changed, its text says so, with the value of now.
    """
    pipeline, whole = derivation.pipeline, whole_pipeline(derivation.pipeline)
    stage = resolve_stage(resolver, recipe, pipeline, members)
    values_now, former = by_full_name(stage.parameters), by_full_name(stage.former or {})
    layers = [
        *resolver.pars(pipeline, members[0]),
        *((name, content.get(whole, {})) for name, content in parameter_layers(recipe, *members)),
    ]
    setters = {parameter: name for name, content in layers for parameter in by_full_name(content)}
    origin_of = {}
    for parameter, value in by_full_name(derivation.parameters).items():
        setter, now = setters.get(parameter, DEFAULT), canonical(values_now.get(parameter))
        is_same = canonical(value) in (now, canonical(former.get(parameter)))
        origin_of[parameter] = setter if is_same else f"changed since: now {now}, from {setter}"
    return origin_of
