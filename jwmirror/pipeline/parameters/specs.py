"""All parameters of the installed jwst that a recipe may set, read from stpipe's own specs."""

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches
from functools import cache
from typing import Any

import yaml

from jwmirror.core.errors import ConfigError, unknown
from jwmirror.core.matching import PLACES, normalise
from jwmirror.core.model.derivation import STAGES
from jwmirror.pipeline import registry
from jwmirror.pipeline.headers import NAMES
from jwmirror.pipeline.parameters.resolution import FILES, IDLE, NAMING, spec_of

WORDS = {"is_string_or_datamodel": "file", "input_file": "file", "output_file": "file"}
ALONE = ("none", "'1'")  # maximum_cores that start no further processes
LIMITED = frozenset({"integer", "float"})  # kinds whose bare arguments are minimum and maximum


@dataclass(frozen=True, kw_only=True)
class Parameter:
    """One parameter, as stpipe describes it; texts as a config would write the values."""

    name: str
    type: str  # float, integer, boolean, string, option, list, file...
    default: str | None  # None where there is none, and it has to be given
    allowed: tuple[str, ...] = ()  # of an option; empty where any value of the type is
    minimum: str | None = None
    maximum: str | None = None
    help: str = ""


@dataclass(frozen=True, kw_only=True)
class Group:
    """The parameters of one step of a pipeline, or its own (step "")."""

    pipeline: str
    step: str
    class_name: str  # jwst.jump.jump_step.JumpStep
    stage: int
    parameters: tuple[Parameter, ...]

    @property
    def name(self) -> str:
        """detector1.jump."""
        return f"{self.pipeline}.{self.step}".rstrip(".")


def groups(name: str = "") -> tuple[Group, ...]:
    """What PIPELINE, PIPELINE.STEP or PIPELINE.STEP.PARAMETER names; of all pipelines for "".

    Without the parameters that jwmirror decides on (where files go). ConfigError with suggestions
    for a name that does not exist.
    """
    pipeline, _, rest = name.partition(".")
    pipeline = registry.name_of(pipeline)
    if not name:
        return tuple(group for each in registry.PIPELINES for group in _groups(each))
    if pipeline not in registry.PIPELINES:
        raise ConfigError([_no_pipeline(name)])
    found = tuple(_groups(pipeline))
    return _narrowed(found, rest.removeprefix("steps.")) if rest else found


def _narrowed(found: tuple[Group, ...], rest: str) -> tuple[Group, ...]:
    """The step, or the parameter of a step or of the pipeline itself, that `rest` names."""
    pipeline, (step, _, parameter) = found[0].pipeline, rest.partition(".")
    by_step = {group.step: group for group in found}
    if step not in by_step:
        own = [each for each in found[0].parameters if each.name == rest]
        if own:
            return (replace(found[0], parameters=tuple(own)),)
        names = [*filter(None, by_step), *(each.name for each in found[0].parameters)]
        raise ConfigError([_unknown(f"{pipeline}.{step}", "step or parameter", step, names)])
    group = by_step[step]
    chosen = [each for each in group.parameters if parameter in ("", each.name)]
    if not chosen and parameter:
        names = [each.name for each in group.parameters]
        raise ConfigError([_unknown(f"{group.name}.{parameter}", "parameter", parameter, names)])
    return (replace(group, parameters=tuple(chosen)),)


def _groups(pipeline: str) -> Iterator[Group]:
    whole, spec = registry.class_of(pipeline), spec_of(pipeline)
    for step, cls in {"": whole, **whole.step_defs}.items():
        yield Group(
            pipeline=pipeline,
            step=step,
            class_name=f"{cls.__module__}.{cls.__name__}",
            stage=STAGES[pipeline],
            parameters=tuple(_parameters(spec["steps"][step] if step else spec, is_whole=not step)),
        )


def _parameters(spec: Any, is_whole: bool) -> Iterator[Parameter]:
    for name in spec.scalars:
        if name not in FILES and name not in NAMING and not (is_whole and name in IDLE):
            yield _parameter(name, str(spec[name]), spec.inline_comments.get(name) or "")


def _parameter(name: str, check: str, comment: str) -> Parameter:
    """Of a check such as float(default=4.0,min=0)."""
    text = " ".join(comment.lstrip("# ").split())
    try:
        call = ast.parse(check.strip().rstrip(","), mode="eval").body
    except SyntaxError:
        return Parameter(name=name, type=check, default=None, help=text)
    if not isinstance(call, ast.Call):
        return Parameter(name=name, type=check, default=None, help=text)
    kind, bare = ast.unparse(call.func), [_text(each) for each in call.args]
    named = {each.arg: _text(each.value) for each in call.keywords}
    low, high = [*bare, None, None][:2] if kind in LIMITED else (None, None)
    allowed = tuple(bare) if kind == "option" else ()
    return Parameter(
        name=name,
        type=WORDS.get(kind, kind),
        default=named.get("default"),
        allowed=ALONE if name == "maximum_cores" else allowed,
        minimum=named.get("min", low),
        maximum=named.get("max", high),
        help=text,
    )


def _text(node: ast.expr) -> str:
    """A value as a config would write it: '1' for that text, [] for list(), null for None."""
    return yaml.safe_dump(_value(node), default_flow_style=True).removesuffix("\n...\n").strip()


def _value(node: ast.expr) -> Any:
    if isinstance(node, ast.Call):  # list('a', 'b')
        return [_value(each) for each in node.args]
    if isinstance(node, ast.Name):  # a bare word is a text
        return node.id
    return ast.literal_eval(node)


# ---- names that do not exist -----------------------------------------------------------------


def _no_pipeline(name: str) -> str:
    """What was meant by a name that begins with no pipeline: perhaps a step of some."""
    word, _, _ = name.partition(".")
    if owners := registry.with_step(word):
        whole = ", ".join(f"{owner}.{name}" for owner in owners)
        return f"{name}: {word} is a step of {', '.join(owners)}; say {whole}."
    if steps := [g.name for g in groups() for each in g.parameters if each.name == name]:
        return f"{name}: is a parameter of {', '.join(steps)}; say {steps[0]}.{name}."
    return _unknown(name, "pipeline", word, [*registry.PIPELINES])


def _unknown(place: str, kind: str, word: str, names: list[str]) -> str:
    near = get_close_matches(word, names, n=3, cutoff=0.6)
    guess = f"did you mean {', '.join(near)}? " if near else ""
    return f"{place}: there is no {kind} {word}; {guess}there are {', '.join(sorted(names))}."


CLOSED = ("instrument", "detector", "filter", "pupil", "grating", "exp_type")  # what flies
OF_REFERENCES = frozenset(["ANY", "MULTIPLE", "TFI", "UNKNOWN"])  # in the schema, and no exposure's


@cache
def values(key: str) -> tuple[str, ...]:
    """The values that there are of a where-block's key; none where there may be others.

    The schema lists subarrays and readout patterns too, but observers are given new ones. Imports
    stdatamodels, which takes a second.
    """
    if key not in CLOSED:
        return ()
    from stdatamodels.jwst.datamodels import JwstDataModel

    found = _listed(JwstDataModel().schema, NAMES[key].split("."))
    return tuple(dict.fromkeys(each for each in map(str, found) if each not in OF_REFERENCES))


def mistakes(wanted: Any, key: str, place: str) -> Iterator[str]:
    """Values that no exposure has under a key of a match or selection, with the nearest right one.

    `wanted` is one value or a list of some; `place` begins the sentences.
    """
    keys = PLACES.get(key, (key,))
    known = {normalise(value): value for each in keys for value in values(each)}
    for value in wanted if isinstance(wanted, list | tuple) else [wanted]:
        if known and normalise(value) not in {*known, ""}:  # "": headers without the keyword
            yield f"{place}: {unknown(' or '.join(keys), value, sorted(known.values()))}"


def _listed(schema: Any, path: list[str]) -> Iterator[Any]:
    """The enumerations that a schema has for a place in the metadata, in all its parts."""
    if not isinstance(schema, Mapping):
        return
    if not path:
        yield from schema.get("enum", ())
    for part in (*schema.get("allOf", ()), *schema.get("anyOf", ())):
        yield from _listed(part, path)
    if path:
        yield from _listed(schema.get("properties", {}).get(path[0]), path[1:])
