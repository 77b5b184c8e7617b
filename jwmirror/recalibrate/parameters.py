"""Parameters of pipelines, in stpipe's names: checked, made effective, resolved.

In the normal form, a pipeline has its own parameters, and under "steps" those of each step. A step
may also stand beside the pipeline's own parameters, as people write it in a config.
"""

from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Any

from jwmirror.errors import ConfigError
from jwmirror.recalibrate import headers, hooks, overrides, pipelines
from jwmirror.records import Recipe

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
Leaf = tuple[str, str, str]  # pipeline, step ("" for the pipeline itself), parameter


# ---- form ------------------------------------------------------------------------------------


def normal(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """The normal form of parameters as a config or a notebook writes them."""
    return _tree(_leaves(parameters))


def _leaves(parameters: Mapping[str, Any]) -> dict[Leaf, Any]:
    found = {}
    for written, content in parameters.items():
        pipeline = pipelines.name_of(written)
        for name, value in _with_steps_beside(content).items():
            if isinstance(value, Mapping):
                found |= {(pipeline, name, key): each for key, each in value.items()}
            else:
                found[pipeline, "", name] = value
    return found


def _with_steps_beside(content: Mapping[str, Any]) -> dict[str, Any]:
    """A pipeline's parameters with its steps beside them, whichever form they came in."""
    beside = {name: value for name, value in content.items() if name != "steps"}
    steps = content.get("steps")
    return {**beside, **(steps if isinstance(steps, Mapping) else {})}


def _tree(leaves: Mapping[Leaf, Any]) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for (pipeline, step, name), value in leaves.items():
        place = tree.setdefault(pipeline, {"steps": {}})
        if step:
            place = place["steps"].setdefault(step, {})
        place[name] = value
    return tree


# ---- what a recipe says for one exposure -----------------------------------------------------


def effective(recipe: Recipe, header: str) -> dict[str, Any]:
    """A recipe's parameters for an exposure, in normal form; more specific where-blocks win.

    Raises ConfigError where equally specific blocks set one parameter to different values.
    """
    said = {leaf: (0, value) for leaf, value in _leaves(recipe.parameters).items()}
    ties = {}
    for block in recipe.where:
        if not _matches(block.match, header):
            continue
        rank = len(block.match)
        for leaf, value in _leaves(block.parameters).items():
            best = said.get(leaf, (0, None))
            if rank > best[0]:
                ties.pop(leaf, None)
            elif rank == best[0] and value != best[1]:
                ties[leaf] = (best[1], value)
            if rank >= best[0]:
                said[leaf] = (rank, value)
    if ties:
        raise ConfigError([_tie(recipe.name, leaf, *values) for leaf, values in ties.items()])
    return _tree({leaf: value for leaf, (_, value) in said.items()})


def sayings(recipe: Recipe, header: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """What a recipe says for an exposure, in normal form, place by place; later ones win."""
    yield f"recipe {recipe.name}", normal(recipe.parameters)
    for block in sorted(recipe.where, key=lambda block: len(block.match)):
        if _matches(block.match, header):
            match = ", ".join(f"{key} {value}" for key, value in block.match.items())
            yield f"recipe {recipe.name}, where {match}", normal(block.parameters)


def _tie(recipe: str, leaf: Leaf, one: Any, other: Any) -> str:
    return (
        f"recipes.{recipe}.where: two equally specific blocks match one exposure and set "
        f"{'.'.join(part for part in leaf if part)} to {one!r} and to {other!r}; "
        "give the one that shall win one more match key."
    )


def _matches(match: Mapping[str, Any], header: str) -> bool:
    return all(_alike(wanted, headers.value(header, key)) for key, wanted in match.items())


def _alike(wanted: Any, found: str) -> bool:
    """Case does not matter, nor do leading zeros of numbers (1345 is 01345)."""
    wanted = str(wanted)
    if wanted.isdecimal() and found.isdecimal():
        return int(wanted) == int(found)
    return wanted.upper() == found.upper()


# ---- resolving -------------------------------------------------------------------------------


def resolve(
    pipeline: str, layers: Iterable[Mapping[str, Any]], idle: frozenset[str] = frozenset()
) -> dict[str, Any]:
    """Every parameter of a pipeline: stpipe's defaults under the layers, later ones on top.

    A skipped step has just {"skip": True} and its hooks, which stpipe runs all the same; a step in
    `idle` has nothing; what only says where files go is left out, and maximum_cores is one.
    Raises ConfigError where stpipe does not accept a value.
    """
    from stpipe.config_parser import config_from_dict
    from stpipe.exceptions import ValidationError

    merged: dict[str, Any] = {"steps": {}}
    for layer in layers:
        _lay(merged, layer)
    spec = _spec(pipeline)
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
    return {name: own[name] for name in own if name not in IDLE} | {"steps": steps}


def _lay(under: dict[str, Any], layer: Mapping[str, Any]) -> None:
    """Lay a pipeline's parameters (normal form, or read from a pars reference) over others."""
    for name, value in layer.items():
        if name == "steps":
            for step, content in value.items():
                _lay(under["steps"].setdefault(step, {}), content)
        elif name not in NAMING:
            under[name] = value


def _own(parameters: Mapping[str, Any], spec: Any) -> dict[str, Any]:
    if parameters.get("skip"):
        return {"skip": True} | {k: parameters[k] for k in hooks.KINDS if parameters.get(k)}
    return {
        name: "none" if _is_parallel(name, value) else _typed(value, spec[name])
        for name, value in parameters.items()
        if name not in FILES and name not in NAMING
    }


def _is_parallel(name: str, value: Any) -> bool:
    """Whether jwst would start processes of its own; the result would be the same."""
    return name == "maximum_cores" and str(value).lower() not in SERIAL


def _typed(value: Any, check: str) -> Any:
    """The value in its type: stpipe lets 5 pass as the float that it equals, a key must not."""
    if isinstance(value, int) and check.startswith("float("):
        return float(value)
    if isinstance(value, int) and check.startswith("boolean("):
        return bool(value)
    return value


@cache
def _spec(pipeline: str) -> Any:
    """stpipe's specification of a pipeline with its steps: {name: "float(default=4.0)"...}."""
    return pipelines.class_of(pipeline).load_spec_file()


# ---- mistakes --------------------------------------------------------------------------------


def mistakes(parameters: Mapping[str, Any], place: str, base: Path | None = None) -> list[str]:
    """Every mistake in a config's parameters at once, as sentences; needs no data and no CRDS.

    `place` says where in the config they stand ("recipes.deep.parameters"). Files and hooks are
    looked for in `base`, by default the working directory.
    """
    base = Path(base or "").absolute()
    found = []
    for written, content in parameters.items():
        pipeline, where = pipelines.name_of(str(written)), f"{place}.{written}"
        if pipeline not in pipelines.PIPELINES:
            found.append(_unknown(where, "pipeline", str(written), pipelines.PIPELINES))
        elif not isinstance(content, Mapping):
            found.append(f"{where}: expected steps and their parameters, found {content!r}.")
        else:
            found += _pipeline_mistakes(_spec(pipeline), content, where, base)
    return found


def _pipeline_mistakes(
    spec: Any, content: Mapping[str, Any], place: str, base: Path
) -> Iterator[str]:
    steps = spec["steps"]
    own = [name for name in spec if name != "steps"]
    nested = content.get("steps", {})
    if not isinstance(nested, Mapping):
        yield f"{place}.steps: expected steps and their parameters, found {nested!r}."
    for name, value in _with_steps_beside(content).items():
        where = f"{place}.steps.{name}" if name in nested else f"{place}.{name}"
        if name in steps and isinstance(value, Mapping):
            yield from _step_mistakes(steps[name], value, where, base)
        elif name in steps:
            yield (
                f"{where}: {name} is a step, so its parameters were expected "
                f"({{{name}: {{skip: true}}}}), found {value!r}."
            )
        elif isinstance(value, Mapping):
            yield _unknown(where, "step", name, steps)
        elif name not in own:
            yield _unknown(where, "parameter", name, own, also=list(steps))
        elif name == "skip":
            yield f"{where}: a whole pipeline is left out by the recipe's stages; remove skip."
        else:
            yield from _value_mistakes(spec, name, value, where, base)


def _step_mistakes(spec: Any, content: Mapping[str, Any], place: str, base: Path) -> Iterator[str]:
    for name, value in content.items():
        if name in spec:
            yield from _value_mistakes(spec, name, value, f"{place}.{name}", base)
        else:
            yield _unknown(f"{place}.{name}", "parameter", name, spec)


def _value_mistakes(spec: Any, name: str, value: Any, place: str, base: Path) -> Iterator[str]:
    """What stpipe's own validation has against one value; and what jwmirror has."""
    from configobj import ConfigObj
    from stpipe.config_parser import config_from_dict
    from stpipe.exceptions import ValidationError

    if name in FILES or name in NAMING:
        yield f"{place}: jwmirror decides where files go and how they are called; remove {name}."
        return
    alone = ConfigObj(list_values=False, interpolation=False)
    alone[name] = spec[name]
    try:
        config_from_dict({name: value}, alone)
    except (ValidationError, TypeError, ValueError, AttributeError) as err:
        problem = str(err).removeprefix(f"Config parameter {name!r}: ")
        yield f"{place}: found {value!r}, expected {spec[name]} ({problem.rstrip('.')})."
        return
    if _is_parallel(name, value):
        yield (
            f"{place}: found {value!r}, allowed is none or '1': jwmirror runs exposures side by "
            "side, and the processes that jwst would add compete with them; remove it, and give "
            "snakemake more cores instead."
        )
    yield from overrides.mistakes(name, value, place, base)
    if name in hooks.KINDS:
        yield from hooks.mistakes(value, place, base)


def _unknown(
    place: str, kind: str, name: str, allowed: Iterable[str], also: Iterable[str] = ()
) -> str:
    allowed = [each for each in allowed if each not in FILES and each not in NAMING]
    near = get_close_matches(name, [*allowed, *also], n=1, cutoff=0.6)
    guess = f"did you mean {near[0]}? " if near else ""
    return f"{place}: there is no {kind} {name}; {guess}Allowed: {', '.join(sorted(allowed))}."
