"""Parameters of pipelines, in stpipe's names: made effective for an exposure, and resolved.

In the normal form, a pipeline has its own parameters, and under "steps" those of each step. A step
may also stand beside the pipeline's own parameters, as people write it in a config.
"""

from collections.abc import Iterable, Iterator, Mapping
from functools import cache, partial
from math import isfinite
from typing import Any

from jwmirror.core.errors import ConfigError
from jwmirror.core.matching import criteria_of, describe_match, matches
from jwmirror.core.model import Recipe, Where
from jwmirror.pipeline import headers, registry
from jwmirror.pipeline.usercode import between, hooks

FILES = frozenset(  # where files go, and under which names: jwmirror's affair, not in the key
    [
        "output_file",
        "output_dir",
        "output_ext",
        "output_use_model",
        "output_use_index",
        "search_output_file",
        "input_dir",
        "suffix",
    ]
)
NAMING = frozenset({"name", "class", "config_file", "logcfg"})  # stpipe's own bookkeeping
IDLE = frozenset({"skip", "save_results"})  # do nothing for a whole pipeline: it runs, and saves
SERIAL = frozenset({"none", "one", "1"})  # maximum_cores that starts no further processes
WITHIN = ".steps."  # between a step and one of its own steps
ParameterPath = tuple[str, str, str]  # pipeline, step ("" for the pipeline itself), parameter


# ---- form ------------------------------------------------------------------------------------


def normalise(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """The normal form of parameters as a config or a notebook writes them."""
    return _tree(flatten(parameters))


def flatten(parameters: Mapping[str, Any]) -> dict[ParameterPath, Any]:
    """Each value that parameters set, in whichever form they are written."""
    return dict(_said(parameters))


def contradictions(parameters: Mapping[str, Any]) -> Iterator[tuple[ParameterPath, Any, Any]]:
    """What is set to two values in one place, by two forms or names: only the last would count."""
    known: dict[ParameterPath, Any] = {}
    for leaf, value in _said(parameters):
        if leaf in known and known[leaf] != value:
            yield leaf, known[leaf], value
        known[leaf] = value


def _said(parameters: Mapping[str, Any]) -> Iterator[tuple[ParameterPath, Any]]:
    for written, content in parameters.items():
        for place, value in _in_pipeline(content):
            yield (registry.pipeline_name(str(written)), *place), _writable(value)


def _in_pipeline(content: Mapping[str, Any]) -> Iterator[tuple[tuple[str, str], Any]]:
    steps = content.get("steps")
    beside = {name: value for name, value in content.items() if name != "steps"}
    for group in (beside, steps if isinstance(steps, Mapping) else {}):
        for name, value in group.items():
            if isinstance(value, Mapping):
                yield from _in_step(name, value)
            else:
                yield ("", name), value


def _in_step(step: str, content: Mapping[str, Any]) -> Iterator[tuple[tuple[str, str], Any]]:
    """Of a step, and of its own steps (master_background_mos.steps.photom)."""
    for name, value in content.items():
        if name == "steps" and isinstance(value, Mapping):
            for inner, each in value.items():
                if isinstance(each, Mapping):
                    yield from _in_step(f"{step}{WITHIN}{inner}", each)
        else:
            yield (step, name), value


def _tree(found: Mapping[ParameterPath, Any]) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for (pipeline, step, name), value in found.items():
        place = tree.setdefault(pipeline, {"steps": {}})
        for each in step.split(WITHIN) if step else ():
            place = place.setdefault("steps", {}).setdefault(each, {})
        place[name] = value
    return tree


# ---- what a recipe says for one exposure -----------------------------------------------------


def effective_parameters(recipe: Recipe, header: str) -> dict[str, Any]:
    """A recipe's parameters for an exposure, in normal form; more specific where-blocks win.

    What was set on the command line wins over all. Raises ConfigError where equally specific blocks
    set one parameter to different values.
    """
    said = {leaf: (0, value) for leaf, value in flatten(recipe.parameters).items()}
    last = flatten(recipe.settings)
    ties = {}
    for block in recipe.where:
        if not applies(block, header):
            continue
        rank = len(block.match)
        for leaf, value in flatten(block.parameters).items():
            best = said.get(leaf, (0, None))
            if rank > best[0]:
                ties.pop(leaf, None)
            elif rank == best[0] and value != best[1]:
                ties[leaf] = (best[1], value)
            if rank >= best[0]:
                said[leaf] = (rank, value)
    mistakes = [_tie(recipe.name, leaf, *ties[leaf]) for leaf in ties if leaf not in last]
    if mistakes:
        raise ConfigError(mistakes)
    joined = between.parameters_for(recipe.between, headers.header_value(header, "exp_type"))
    return _tree({leaf: value for leaf, (_, value) in said.items()} | last | joined)


def parameter_layers(recipe: Recipe, header: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """What a recipe says for an exposure, in normal form, place by place; later ones win."""
    joined = between.parameters_for(recipe.between, headers.header_value(header, "exp_type"))
    yield f"recipe {recipe.name}", _tree(flatten(recipe.parameters) | joined)
    for block in sorted(recipe.where, key=lambda block: len(block.match)):
        if applies(block, header):
            where = describe_match(block.match)
            yield f"recipe {recipe.name}, where {where}", normalise(block.parameters)
    yield f"set for recipe {recipe.name}", normalise(recipe.settings)


def _tie(recipe: str, leaf: ParameterPath, one: Any, other: Any) -> str:
    return (
        f"recipes.{recipe}.where: two equally specific blocks match one exposure and set "
        f"{'.'.join(part for part in leaf if part)} to {one!r} and to {other!r}; "
        "give the one that shall win one more match key."
    )


def applies(block: Where, header: str) -> bool:
    """Return whether an exposure meets the match of a where-block."""
    return matches(criteria_of(block.match), partial(headers.header_value, header))


# ---- resolving -------------------------------------------------------------------------------


def resolve(
    pipeline: str, layers: Iterable[Mapping[str, Any]], idle: frozenset[str] = frozenset()
) -> dict[str, Any]:
    """Every parameter of a pipeline: stpipe's defaults under the layers, later ones on top.

    A skipped step has just {"skip": True} and its hooks, which stpipe runs all the same; a step in
    `idle` has nothing; what only says where files go is left out, and maximum_cores is one.
    Raises ConfigError where stpipe does not accept a value.
    """
    from stpipe.config_parser import ValidationError, config_from_dict

    merged: dict[str, Any] = {"steps": {}}
    for layer in layers:
        _lay(merged, layer)
    spec, joined = spec_of(pipeline), merged.pop(hooks.BETWEEN, None)
    try:
        whole = config_from_dict(merged, spec).dict()
    except ValidationError as err:
        raise ConfigError([f"{pipeline}: {line}" for line in str(err).splitlines()]) from err
    steps = {
        name: _own(step, spec["steps"][name])
        for name, step in whole.pop("steps").items()
        if name not in idle
    }
    own = _own({**whole, "skip": False}, spec)
    found = {name: own[name] for name in own if name not in IDLE} | {"steps": steps}
    return found | ({hooks.BETWEEN: list(joined)} if joined else {})


def _lay(under: dict[str, Any], layer: Mapping[str, Any]) -> None:
    """Lay a pipeline's parameters (normal form, or read from a pars reference) over others."""
    for name, value in layer.items():
        if name == "steps":
            for step, content in value.items():
                _lay(under.setdefault("steps", {}).setdefault(step, {}), content)
        elif name not in NAMING:
            under[name] = value


def _own(parameters: Mapping[str, Any], spec: Any) -> dict[str, Any]:
    if parameters.get("skip"):
        return {"skip": True} | {k: parameters[k] for k in hooks.KINDS if parameters.get(k)}
    found = {
        name: "none" if is_parallel(name, value) else _typed(value, spec[name])
        for name, value in parameters.items()
        if name not in FILES and name not in NAMING and name != "steps"
    }
    inner = parameters.get("steps", {})  # master_background_mos has steps of its own
    steps = {step: _own(values, spec["steps"][step]) for step, values in inner.items()}
    return found | {"steps": steps} if steps else found


def is_parallel(name: str, value: Any) -> bool:
    """Whether jwst would start processes of its own; the result would be the same."""
    return name == "maximum_cores" and str(value).lower() not in SERIAL


def _typed(value: Any, check: str) -> Any:
    """The value in its type: stpipe lets 5 pass as the float that it equals, a key must not."""
    if isinstance(value, int) and check.startswith("float("):
        return float(value)
    if isinstance(value, int) and check.startswith("boolean("):
        return bool(value)
    return _writable(value)


def _writable(value: Any) -> Any:
    """The value with infinities and NaN as texts, which stpipe reads; in JSON they become null."""
    if isinstance(value, list | tuple):
        return [_writable(each) for each in value]
    return str(value) if isinstance(value, float) and not isfinite(value) else value


@cache
def spec_of(pipeline: str) -> Any:
    """stpipe's specification of a pipeline with its steps: {name: "float(default=4.0)"...}."""
    return registry.pipeline_class(pipeline).load_spec_file()
