"""Parameters of the installed jwst that a recipe may set."""

import ast
from collections.abc import Iterator
from typing import Any

import yaml

from jwmirror.core.model.derivation import STAGES
from jwmirror.core.model.parameters import Parameter, ParameterGroup
from jwmirror.pipeline import registry
from jwmirror.pipeline.parameters.resolution import IDLE, RESERVED, WITHIN, spec_of

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


def skipped_steps(pipeline: str) -> tuple[str, ...]:
    """Return the steps that jwst skips if no parameter says otherwise; inner: a.steps.b."""
    return tuple(_skipped(spec_of(pipeline)["steps"]))


def _skipped(steps: Any, outer: str = "") -> Iterator[str]:
    for name in steps.sections:
        step = steps[name]
        if parameter_of("skip", str(step.get("skip", ""))).default == "true":
            yield f"{outer}{name}"
        if "steps" in step.sections:
            yield from _skipped(step["steps"], f"{outer}{name}{WITHIN}")


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
