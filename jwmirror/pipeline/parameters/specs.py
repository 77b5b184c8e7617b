"""Parameters of the installed jwst that a recipe may set, and the header values that exist."""

import ast
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import yaml

from jwmirror.core.errors import unknown_name
from jwmirror.core.matching import PLACES, normalise_value
from jwmirror.core.model.derivation import STAGES
from jwmirror.core.model.parameters import Parameter, ParameterGroup
from jwmirror.pipeline import registry
from jwmirror.pipeline.headers import NAMES
from jwmirror.pipeline.parameters.resolution import IDLE, RESERVED, spec_of

WORDS = {"is_string_or_datamodel": "file", "input_file": "file", "output_file": "file"}
ALONE = ("none", "'1'")  # values of maximum_cores that start no further processes
LIMITED = frozenset({"integer", "float"})  # kinds whose bare arguments are minimum and maximum


def groups_of(pipeline: str) -> Iterator[ParameterGroup]:
    """Return the parameters of a pipeline itself, then those of each step, from their specs."""
    whole, spec = registry.pipeline_class(pipeline), spec_of(pipeline)
    for step, cls in {"": whole, **whole.step_defs}.items():
        yield ParameterGroup(
            pipeline=pipeline,
            step=step,
            class_name=f"{cls.__module__}.{cls.__name__}",
            stage=STAGES[pipeline],
            parameters=tuple(_parameters(spec["steps"][step] if step else spec, is_whole=not step)),
        )


def _parameters(spec: Any, is_whole: bool) -> Iterator[Parameter]:
    for name in spec.scalars:
        if name not in RESERVED and not (is_whole and name in IDLE):
            yield parameter_of(name, str(spec[name]), spec.inline_comments.get(name) or "")


def parameter_of(name: str, check: str, comment: str = "") -> Parameter:
    """Return the parameter that a check such as float(default=4.0,min=0) describes."""
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
    """Return a value as a config writes it: '1' for the text, [] for list(), null for None."""
    return yaml.safe_dump(_value(node), default_flow_style=True).removesuffix("\n...\n").strip()


def _value(node: ast.expr) -> Any:
    if isinstance(node, ast.Call):  # list('a', 'b')
        return [_value(each) for each in node.args]
    if isinstance(node, ast.Name):  # a bare word is a text
        return node.id
    return ast.literal_eval(node)


CLOSED = ("instrument", "detector", "filter", "pupil", "grating", "exp_type")  # hardware
OF_REFERENCES = frozenset(["ANY", "MULTIPLE", "TFI", "UNKNOWN"])  # of references only


@cache
def allowed_values(key: str) -> tuple[str, ...]:
    """Return all values that a key of criteria can have; empty if new ones may be added.

    The schema lists subarrays and readout patterns too, but new ones are introduced for observers.
    Importing stdatamodels takes a second.
    """
    if key not in CLOSED:
        return ()
    from stdatamodels.jwst.datamodels import JwstDataModel

    found = _listed(JwstDataModel().schema, NAMES[key].split("."))
    return tuple(dict.fromkeys(each for each in map(str, found) if each not in OF_REFERENCES))


def header_value_mistakes(wanted: Any, key: str, place: str) -> Iterator[str]:
    """Yield a message for each value of a criterion that no exposure can have.

    `wanted` is one value or a list of values; `place` is its place in the config.
    """
    keys = PLACES.get(key, (key,))
    known = {normalise_value(value): value for each in keys for value in allowed_values(each)}
    for value in wanted if isinstance(wanted, list | tuple) else [wanted]:
        if known and normalise_value(value) not in {*known, ""}:  # "": headers without the keyword
            yield f"{place}: {unknown_name(' or '.join(keys), value, sorted(known.values()))}"


def _listed(schema: Any, path: list[str]) -> Iterator[Any]:
    """Yield the enumerated values of a schema for an attribute of the metadata."""
    if not isinstance(schema, Mapping):
        return
    if not path:
        yield from schema.get("enum", ())
    for part in (*schema.get("allOf", ()), *schema.get("anyOf", ())):
        yield from _listed(part, path)
    if path:
        yield from _listed(schema.get("properties", {}).get(path[0]), path[1:])
