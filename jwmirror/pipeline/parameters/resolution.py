"""Parameters of pipelines, by stpipe's names: normal form, effective values, and resolution.

In the normal form, a pipeline has its own parameters, and those of each step under "steps". In a
config, steps may also be written next to the pipeline's own parameters.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache, partial
from math import isfinite
from typing import Any, NamedTuple

from jwmirror.core.errors import ConfigError, in_yaml
from jwmirror.core.matching import criteria_of, describe_match, matches
from jwmirror.core.model import Recipe, Where, canonical
from jwmirror.core.model.derivation import single_step
from jwmirror.pipeline import headers, registry
from jwmirror.pipeline.usercode import between, hooks

PRODUCT = "jw"  # begins the names of a stage's products; other files are not stored
OUTPUT_NAMES = frozenset(  # locations and names of products: jwmirror sets them
    [
        "output_file",
        "output_dir",
        "output_ext",
        "output_use_model",
        "output_use_index",
        "search_output_file",
        "suffix",
        "logcfg",
    ]
)
EXTRA_OUTPUTS = frozenset(  # parameters that name a further file, the same for all exposures
    ["dark_output", "opt_name", "save_persistence", "soss_modelname", "soss_wave_grid_out"]
)
NAMING = frozenset(  # of stpipe, for the running of a step
    ["name", "class", "config_file", "input_dir", "logcfg"]
)
RESERVED = OUTPUT_NAMES | NAMING  # parameters that a recipe does not decide
# of a whole pipeline, or of a step that is run alone: it always runs and saves
IDLE = frozenset({"skip", "save_results"})
CORES = "maximum_cores"
SERIAL = frozenset({"none", "one", "1"})  # values of it that start no further processes
DEFAULT_WORD = re.compile(r"default\s*=\s*['\"](\w+)")  # in a spec
WITHIN = ".steps."  # between a step and one of its inner steps, in a path
NUMBERS: dict[str, type[float | int | bool]] = {  # by the kind of a spec: float, float_list...
    "float": float,
    "integer": int,
    "int": int,
    "boolean": bool,
    "bool": bool,
}
Typed = Callable[[str, Any, str], Any]  # of a name, a value and its check: the value in a key
ParameterPath = tuple[str, str, str]  # pipeline, step ("" for the pipeline itself), parameter


# ---- form ------------------------------------------------------------------------------------


def normalise(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return the normal form of parameters as a config or a notebook writes them."""
    return nested(flatten(parameters))


def flatten(parameters: Mapping[str, Any]) -> dict[ParameterPath, Any]:
    """Return each value that parameters set, by its path, in whichever form they are written.

    Parameters that only name files to be written are left out.
    """
    return {path: v for path, v in written_values(parameters) if not names_output(path[-1], v)}


def contradictions(parameters: Mapping[str, Any]) -> Iterator[tuple[ParameterPath, Any, Any]]:
    """Yield parameters that are set to two values, in two forms or under two names."""
    known: dict[ParameterPath, Any] = {}
    for path, value in written_values(parameters):
        if path in known and known[path] != value:
            yield path, known[path], value
        known[path] = value


def written_values(parameters: Mapping[str, Any]) -> Iterator[tuple[ParameterPath, Any]]:
    """Yield each value as it is written, twice if it is set twice, and those without effect."""
    for written, content in parameters.items():
        for step_and_name, value in _in_pipeline(content):
            yield (registry.pipeline_name(str(written)), *step_and_name), _writable(value)


def names_output(name: str, value: Any) -> bool:
    """Return whether a parameter only sets where a file is written, or under which name.

    No result depends on it. A further file whose name begins as those of products is stored, so
    its parameter does not count.
    """
    if name in EXTRA_OUTPUTS:
        return str(value) not in ("", "None") and not str(value).startswith(PRODUCT)
    return name in OUTPUT_NAMES


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
    """Yield the values of a step, and of its inner steps (master_background_mos.steps.photom)."""
    for name, value in content.items():
        if name == "steps" and isinstance(value, Mapping):
            for inner, of_inner in value.items():
                if isinstance(of_inner, Mapping):
                    yield from _in_step(f"{step}{WITHIN}{inner}", of_inner)
        else:
            yield (step, name), value


def nested(values: Mapping[ParameterPath, Any]) -> dict[str, Any]:
    """Return values as nested dicts, in normal form."""
    tree: dict[str, Any] = {}
    for (pipeline, steps, name), value in values.items():
        node = tree.setdefault(pipeline, {"steps": {}})
        for step in steps.split(WITHIN) if steps else ():
            node = node.setdefault("steps", {}).setdefault(step, {})
        node[name] = value
    return tree


# ---- of a recipe, for one exposure or association ----------------------------------------------


def effective_parameters(recipe: Recipe, *members: str) -> dict[str, Any]:
    """Return a recipe's parameters, in normal form, for an exposure or an association.

    `members` are the headers of the exposure, or of all science members of the association.
    Where-blocks with more keys override those with fewer; the command line overrides all.

    Raises:
        ConfigError: two blocks with equally many keys set one parameter to different values.
    """
    ranked = {path: (0, value) for path, value in flatten(recipe.parameters).items()}
    settings = flatten(recipe.settings)
    ties: dict[ParameterPath, tuple[Any, Any]] = {}
    for block in recipe.where:
        if not applies(block, *members):
            continue
        rank = len(block.match)
        for path, value in flatten(block.parameters).items():
            best_rank, best = ranked.get(path, (0, None))
            if rank > best_rank:
                ties.pop(path, None)
            elif rank == best_rank and value != best:
                ties[path] = (best, value)
            if rank >= best_rank:
                ranked[path] = (rank, value)
    mistakes = [_tie(recipe.name, path, *ties[path]) for path in ties if path not in settings]
    if mistakes:
        raise ConfigError(mistakes)
    functions = _functions(recipe, members[0])
    values = {path: value for path, (_, value) in ranked.items()}
    return nested(values | settings | functions)


def parameter_layers(recipe: Recipe, *members: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield a recipe's parameters by source, in normal form; later ones win.

    `members` as in `effective_parameters`.
    """
    functions = _functions(recipe, members[0])
    yield f"recipe {recipe.name}", nested(flatten(recipe.parameters) | functions)
    for block in sorted(recipe.where, key=lambda block: len(block.match)):
        if applies(block, *members):
            where = describe_match(block.match)
            yield f"recipe {recipe.name}, where {where}", normalise(block.parameters)
    yield f"set for recipe {recipe.name}", normalise(recipe.settings)


def _functions(recipe: Recipe, header: str) -> dict[ParameterPath, Any]:
    """Return the functions between two pipelines, as parameters of the second one."""
    exp_type = headers.header_value(header, "exp_type")
    return between.function_parameters(recipe, exp_type)


def _tie(recipe: str, path: ParameterPath, one: Any, other: Any) -> str:
    return (
        f"recipes.{recipe}.where: two equally specific blocks match one exposure and set "
        f"{'.'.join(filter(None, path))} to {in_yaml(one)} and to {in_yaml(other)}; "
        "add a match key to the block that should win."
    )


def applies(block: Where, *members: str) -> bool:
    """Return whether an exposure, or every member of an association, meets a block's match.

    The header "" is that of an unknown member; it meets no block.
    """
    criteria = criteria_of(block.match)
    return all(
        header != "" and matches(criteria, partial(headers.header_value, header))
        for header in members
    )


# ---- of a pipeline, complete -------------------------------------------------------------------


class Resolved(NamedTuple):
    """Every parameter of a pipeline; `former` is their form in earlier keys, if it differs."""

    parameters: dict[str, Any]
    former: dict[str, Any] | None


def resolve(
    pipeline: str, layers: Iterable[Mapping[str, Any]], idle: frozenset[str] = frozenset()
) -> Resolved:
    """Return every parameter of a pipeline: stpipe's defaults, overridden by the layers in order.

    A skipped step has only {"skip": True} and its hooks, which stpipe runs all the same. Steps in
    `idle` and parameters of file locations are left out. maximum_cores is the default. Values that
    stpipe takes for the same are the same: 1 and 1.0 for a float, 0.0 and -0.0. Of a step that is
    run alone (spec3.extract_1d), they are those that it has in its pipeline.

    Raises:
        ConfigError: stpipe does not accept a value.
    """
    from stpipe.config_parser import ValidationError, config_from_dict

    merged: dict[str, Any] = {"steps": {}}
    step = single_step(pipeline)
    for layer in (*layers, {"steps": {step: {"skip": False}}} if step else {}):
        _merge(merged, layer)
    spec, beside = spec_of(pipeline), {name: merged.pop(name, None) for name in hooks.OURS}
    try:
        whole = config_from_dict(merged, spec).dict()
    except ValidationError as err:
        raise ConfigError([f"{pipeline}: {line}" for line in str(err).splitlines()]) from err
    ours = {name: list(values) for name, values in beside.items() if values}
    forms = (_complete(whole, spec, idle, form) | ours for form in (_typed, _typed_before))
    now, former = (_of_step_alone(form, step) if step else form for form in forms)
    return Resolved(now, former if canonical(former) != canonical(now) else None)


def _of_step_alone(whole: Mapping[str, Any], step: str) -> dict[str, Any]:
    """Return the parameters of one step of a pipeline, which always runs and saves."""
    own = {name: value for name, value in whole["steps"][step].items() if name not in IDLE}
    return {"steps": {step: own}}


def _complete(
    whole: Mapping[str, Any], spec: Any, idle: frozenset[str], typed: Typed
) -> dict[str, Any]:
    steps = {
        name: _own(step, spec["steps"][name], typed)
        for name, step in whole["steps"].items()
        if name not in idle
    }
    own = _own({**whole, "steps": {}, "skip": False}, spec, typed)
    return {name: own[name] for name in own if name not in IDLE} | {"steps": steps}


def _merge(merged: dict[str, Any], layer: Mapping[str, Any]) -> None:
    """Override parameters by a layer (in normal form, or from a parameter reference), in place."""
    for name, value in layer.items():
        if name == "steps":
            for step, content in value.items():
                _merge(merged.setdefault("steps", {}).setdefault(step, {}), content)
        elif name not in NAMING:
            merged[name] = value


def _own(parameters: Mapping[str, Any], spec: Any, typed: Typed) -> dict[str, Any]:
    """Return the parameters of one step, or of the pipeline itself, in the types of their spec."""
    if parameters.get("skip"):
        return {"skip": True} | {k: parameters[k] for k in hooks.KINDS if parameters.get(k)}
    own = {
        name: typed(name, value, spec[name])
        for name, value in parameters.items()
        if name not in RESERVED and name != "steps"
    }
    inner = parameters.get("steps", {})  # master_background_mos has inner steps
    steps = {step: _own(values, spec["steps"][step], typed) for step, values in inner.items()}
    return own | {"steps": steps} if steps else own


def is_parallel(name: str, value: Any) -> bool:
    """Return whether jwst would start further processes; the result would be the same."""
    return name == CORES and str(value).lower() not in SERIAL


def _typed(name: str, value: Any, check: str) -> Any:
    """Return a value in the type of its spec: stpipe accepts 5 for 5.0, but keys would differ."""
    if name == CORES:  # every allowed value gives the same, without further processes
        default = DEFAULT_WORD.search(check)
        return default[1] if default and default[1] in SERIAL else "none"
    kind = NUMBERS.get(check.partition("(")[0].strip().removesuffix("_list"))
    if kind and isinstance(value, list | tuple):
        return [_typed(name, element, check) for element in value]
    if kind and isinstance(value, int | float):
        return _writable(kind(value) or kind())  # 0.0 for -0.0
    return _writable(value)


def _typed_before(name: str, value: Any, check: str) -> Any:
    """Return a value as in keys that had one form for single numbers only."""
    if is_parallel(name, value):
        return "none"
    if isinstance(value, int) and check.startswith("float("):
        return float(value)
    if isinstance(value, int) and check.startswith("boolean("):
        return bool(value)
    return _writable(value)


def _writable(value: Any) -> Any:
    """Return a value with infinities and NaN as text, which stpipe reads; JSON has only null."""
    if isinstance(value, list | tuple):
        return [_writable(element) for element in value]
    return str(value) if isinstance(value, float) and not isfinite(value) else value


@cache
def spec_of(pipeline: str) -> Any:
    """Return stpipe's specification of a pipeline and its steps: {name: "float(default=4.0)"}."""
    return registry.pipeline_class(pipeline).load_spec_file()
