"""Mistakes in parameters, found by stpipe's specifications and by rules that stpipe lacks.

Needs no data and no CRDS. Importing jwst takes seconds.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from jwmirror.core.errors import TYPES, in_yaml, suggest, unknown_name
from jwmirror.core.model.parameters import Parameter, Remarks
from jwmirror.pipeline import registry
from jwmirror.pipeline.parameters.gone import gone_message, without_gone
from jwmirror.pipeline.parameters.notes import dropped_note, ignored_notes
from jwmirror.pipeline.parameters.resolution import (
    RESERVED,
    contradictions,
    is_parallel,
    names_output,
    spec_of,
)
from jwmirror.pipeline.parameters.specs import parameter_of
from jwmirror.pipeline.usercode import files, hooks

RESERVED_ADVICE = {  # by parameter; for all others, see _value_mistakes
    "config_file": "write from: FILE for a file with the parameters of this pipeline or step",
    "input_dir": "jwmirror gives each stage its inputs; remove input_dir",
}


MOST_OWNERS = 3  # steps that are listed
ITEMS = {"int_list": "whole numbers", "float_list": "numbers", "string_list": "texts"}


def check_parameters(
    parameters: Mapping[str, Any], place: str, base: Path | None = None, is_exported: bool = False
) -> Remarks:
    """Return the mistakes in a config's parameters, and notes on those that are ignored.

    Arguments as in parameter_mistakes. `is_exported`: they are from a file that jwst wrote, maybe
    an earlier version; what it lists without effect and the installed jwst dropped is ignored.
    """
    whole = {name: content for name, content in parameters.items() if isinstance(content, Mapping)}
    notes = [*ignored_notes(whole, place)]
    kept, dropped = without_gone(whole) if is_exported else (whole, [])
    if dropped:
        parameters = kept
        notes.append(dropped_note(place, dropped))
    mistakes = parameter_mistakes(parameters, place, base)
    return Remarks(mistakes=tuple(mistakes), notes=tuple(notes))


def parameter_mistakes(
    parameters: Mapping[str, Any], place: str, base: Path | None = None
) -> list[str]:
    """Return every mistake in a config's parameters, as sentences.

    Parameters that only name files to be written, and numbers of processes, are ignored.
    `place` is their place in the config ("recipes.deep.parameters"). Files and hooks are looked for
    in `base`, by default the working directory.
    """
    base = Path(base or "").absolute()
    found = []
    for written, content in parameters.items():
        pipeline, where = registry.pipeline_name(str(written)), f"{place}.{written}"
        if pipeline not in registry.PIPELINES:
            found.append(_no_pipeline(where, str(written)))
        elif not isinstance(content, Mapping):
            found.append(f"{where}: expected steps and their parameters, found {in_yaml(content)}.")
        else:
            found += _pipeline_mistakes(spec_of(pipeline), content, where, base)
    whole = {name: content for name, content in parameters.items() if isinstance(content, Mapping)}
    for path, one, other in contradictions(whole):
        name = ".".join(filter(None, path))
        values = f"{in_yaml(one)} and to {in_yaml(other)}"
        found.append(f"{place}: sets {name} twice, to {values}; set it once.")
    return found


def _no_pipeline(place: str, name: str) -> str:
    """Return a message for a name that is not a pipeline, but perhaps a step, or has dots."""
    first, *inner = name.split(".")
    if inner and registry.pipeline_name(first) in registry.PIPELINES:
        form = ": {".join([first, *inner])
        return f"{place}: found dots in {name}; write {form}: ...{'}' * len(inner)}."
    if owners := registry.pipelines_with_step(name):
        return (
            f"{place}: {name} is a step of {', '.join(owners)}; write {owners[0]}: {{{name}: ...}}."
        )
    return f"{place}: {unknown_name('pipeline', name, registry.PIPELINES)}"


def _pipeline_mistakes(
    spec: Any, content: Mapping[str, Any], place: str, base: Path
) -> Iterator[str]:
    nested = content.get("steps", {})
    beside = {name: value for name, value in content.items() if name != "steps"}
    yield from _member_mistakes(spec, beside, place, base)
    if isinstance(nested, Mapping):
        yield from _member_mistakes(spec, nested, f"{place}.steps", base)
    else:
        yield f"{place}.steps: expected steps and their parameters, found {in_yaml(nested)}."


def _member_mistakes(
    spec: Any, content: Mapping[str, Any], place: str, base: Path
) -> Iterator[str]:
    """Yield the mistakes in a pipeline's own parameters and steps."""
    steps = spec["steps"]
    own = [name for name in spec if name != "steps"]
    for name, value in content.items():
        where = f"{place}.{name}"
        if names_output(name, value):
            continue
        if name in steps and isinstance(value, Mapping):
            yield from _step_mistakes(steps[name], value, where, base, steps)
        elif name in steps:
            yield (
                f"{where}: {name} is a step, so its parameters were expected "
                f"({{{name}: {{skip: true}}}}), found {in_yaml(value)}."
            )
        elif isinstance(value, Mapping):
            yield f"{where}: {gone_message(name) or _unknown_step(name, steps)}"
        elif name not in own and name not in RESERVED:
            yield f"{where}: {_unknown_member(name, value, _settable([*own, *steps]), steps)}"
        elif name == "skip":
            yield f"{where}: to omit a whole pipeline, use the recipe's stages; remove skip."
        else:
            yield from _value_mistakes(spec, name, value, where, base)


def _unknown_member(name: str, value: Any, known: Sequence[str], steps: Mapping[str, Any]) -> str:
    """Return a message on a parameter that a pipeline has not; it may name a step, with a dot."""
    step, dot, parameter = name.partition(".")
    if dot and step in steps:
        return f"found a dot in {name}; write {step}: {{{parameter}: {value}}}"
    owner = _owner(name, value, steps)
    unknown = unknown_name("parameter or step", name, known)
    return gone_message("", name) or gone_message(name) or owner or unknown


def _unknown_step(name: str, steps: Mapping[str, Any]) -> str:
    """Return a message on a step that a pipeline has not, but perhaps another one."""
    if not suggest(name, steps) and (owners := registry.pipelines_with_step(name)):
        return (
            f"found {name!r}, which is a step of {', '.join(owners)}; write {owners[0]}: "
            f"{{{name}: ...}}"
        )
    return unknown_name("step", name, list(steps))


def _owner(name: str, value: Any, steps: Mapping[str, Any]) -> str:
    """Return words for a parameter in a wrong place, if another step has it; else ""."""
    owners = [step for step, spec in steps.items() if name in spec]
    if not owners or name in RESERVED:
        return ""
    listed = ", ".join(owners[:MOST_OWNERS]) + " and others" * (len(owners) > MOST_OWNERS)
    return (
        f"found {name!r}, which is a parameter of {listed}; write {owners[0]}: "
        f"{{{name}: {in_yaml(value)}}}"
    )


def _step_mistakes(
    spec: Any, content: Mapping[str, Any], place: str, base: Path, steps: Mapping[str, Any]
) -> Iterator[str]:
    """Yield the mistakes in one step of some; master_background_mos of spec2 has its own steps."""
    chained = [*_persistence_mistakes(content, place)]
    yield from chained
    for name, value in content.items():
        if names_output(name, value) or (chained and name == "persistence_array_file"):
            continue
        if name in spec.sections:
            yield from _inner_mistakes(spec[name], value, f"{place}.{name}", base)
        elif any(name in spec[section] for section in spec.sections):
            yield f"{place}.{name}: is a step of this step; write it under steps."
        elif name in spec or name in RESERVED:
            yield from _value_mistakes(spec, name, value, f"{place}.{name}", base)
        elif gone := gone_message(place.rpartition(".")[2], name):
            yield f"{place}.{name}: {gone}"
        elif not suggest(name, _settable(spec)) and (owner := _owner(name, value, steps)):
            yield f"{place}.{name}: {owner}"
        else:
            unknown = unknown_name("parameter", name, _settable(spec))
            step = ".".join(place.replace(".steps.", ".").split(".")[-2:])
            stop = "" if unknown.endswith("?") else ";"
            yield f"{place}.{name}: {unknown}{stop} `jwmirror params {step}` lists the parameters."


def _persistence_mistakes(content: Mapping[str, Any], place: str) -> Iterator[str]:
    """Yield why pixels cannot be flagged for what an earlier exposure saw, if that is requested."""
    written, read = content.get("save_persistence"), content.get("persistence_array_file")
    if written and read and Path(str(written)).stem == Path(str(read)).stem:
        yield (
            f"{place}: persistence from one exposure to the next is not supported: each exposure "
            f"would need {read} as the exposure before it left it, but jwmirror calibrates "
            "exposures side by side, in any order, and later only some of them again, so results "
            "would depend on the order; remove save_persistence and persistence_array_file "
            "(persistence_time alone flags pixels within an exposure), or let "
            "persistence_array_file name a finished file that is the same for all exposures."
        )


def _inner_mistakes(steps: Any, content: Any, place: str, base: Path) -> Iterator[str]:
    """Yield the mistakes in the steps of a step."""
    if not isinstance(content, Mapping):
        yield f"{place}: expected steps and their parameters, found {in_yaml(content)}."
        return
    for step, values in content.items():
        if step not in steps:
            yield f"{place}.{step}: {unknown_name('step', step, list(steps))}"
        elif isinstance(values, Mapping):
            yield from _step_mistakes(steps[step], values, f"{place}.{step}", base, steps)
        else:
            found = in_yaml(values)
            yield f"{place}.{step}: expected parameters of the step {step}, found {found}."


def _value_mistakes(spec: Any, name: str, value: Any, place: str, base: Path) -> Iterator[str]:
    """Yield the mistakes in one value: by stpipe's validation, then by jwmirror's rules."""
    if is_parallel(name, value):
        return
    if name in RESERVED:
        yield f"{place}: {RESERVED_ADVICE.get(name, f'jwmirror sets it; remove {name}')}."
        return
    if problem := _problem_of_stpipe(spec, name, value):
        parameter = parameter_of(name, str(spec[name]))
        detail = ""
        if "list" in parameter.type:
            detail = f"; {_list_advice(spec, name, value) or problem}"
        yield f"{place}: found {in_yaml(value)}, expected {_expected(parameter)}{detail}."
        return
    yield from files.file_mistakes(name, value, place, base)
    if name in hooks.KINDS:
        yield from hooks.hook_mistakes(value, place, base)


def _problem_of_stpipe(spec: Any, name: str, value: Any) -> str:
    """Return why stpipe refuses a value of a parameter, in its words; "" if it accepts it."""
    from configobj import ConfigObj
    from stpipe.config_parser import ValidationError, config_from_dict

    alone = ConfigObj(list_values=False, interpolation=False)
    alone[name] = spec[name]
    try:
        config_from_dict({name: value}, alone)
    except (ValidationError, TypeError, ValueError, AttributeError) as err:
        words = str(err).removeprefix(f"Config parameter {name!r}: ").rstrip(".")
        return words or type(err).__name__
    return ""


def _list_advice(spec: Any, name: str, value: Any) -> str:
    """Return how to write a list that was written as text, such as 100,100; "" if it was not."""
    items = [item for item in re.split(r"[\s,]+", str(value).strip(" ()[]")) if item]
    is_one = items and not isinstance(value, list) and not _problem_of_stpipe(spec, name, items)
    return f"write [{', '.join(items)}]" if is_one else ""


def _expected(parameter: Parameter) -> str:
    """Return what a parameter accepts in words: a number >= 0 (default 4.0)."""
    default = f"(default {parameter.default})"
    if "list" in parameter.type:  # its range is that of its length
        numbers = dict.fromkeys(filter(None, (parameter.minimum, parameter.maximum)))
        of = (*(("of",) if parameter.type in ITEMS else ()), " to ".join(numbers))
        return " ".join(filter(None, ("a list", *of, ITEMS.get(parameter.type, ""), default)))
    kind = "one of" if parameter.allowed else TYPES.get(parameter.type, parameter.type)
    return " ".join(filter(None, (kind, parameter.range, default)))


def _settable(names: Iterable[str]) -> list[str]:
    """Return the parameters that a recipe may set."""
    return [name for name in names if name not in RESERVED]
