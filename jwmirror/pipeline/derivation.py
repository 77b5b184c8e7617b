"""Derivations (everything that a result depends on): their keys, and how two of them differ."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields, replace
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from platform import python_version
from typing import Any

from msgspec import structs

from jwmirror.core.errors import CalibrationError
from jwmirror.core.grouping import group_by
from jwmirror.core.model import Derivation, Input, Reason, Result, ResultFile, canonical, digest
from jwmirror.core.model.association import UNCAL
from jwmirror.core.model.parameters import PlainValues
from jwmirror.core.model.product import ReasonCause
from jwmirror.pipeline.engine_content import engine_code
from jwmirror.pipeline.usercode import files as overrides

# packages that compute beside the engine: they are not in the key
COMPUTING = ("stpipe", "numpy", "scipy", "astropy", "drizzle", "tweakwcs", "gwcs", "photutils")
SOFTWARE = (*COMPUTING, "crds", "asdf")


@cache
def engine_versions() -> dict[str, str]:
    """Return the versions that are part of a key, as this process found them first.

    They are those of jwst, stcal and stdatamodels. Modified code has its content in its version.
    """
    return {name: code.version for name, code in engine_code().items()}


@cache
def software_versions() -> dict[str, str]:
    """Return other versions, which are recorded with a result and not part of its key.

    If jwst, stcal or stdatamodels is not as released, it has an entry that says so.
    """
    versions = {"python": python_version()}
    for name in SOFTWARE:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            versions[name] = ""
    return versions | {name: str(code) for name, code in engine_code().items() if code.modified}


def is_bound(derivation: Derivation) -> bool:
    """Return whether the content of every input is known."""
    return all(item.identity for item in derivation.inputs)


def key_of(derivation: Derivation) -> str:
    """Return the key of the result: a hex sha256 of the derivation without any file locations.

    Raises:
        CalibrationError: the content of an input is not known yet.
    """
    if unknown := [item.name for item in derivation.inputs if not item.identity]:
        raise CalibrationError(
            f"{derivation.pipeline} of {derivation.product}: the content of {unknown} is not "
            "known yet, so the result has no key; bind the derivation to its inputs first."
        )
    content = {each.name: getattr(derivation, each.name) for each in fields(derivation)}
    content["inputs"] = [
        {"name": item.name, "role": item.role, "identity": item.identity}
        for item in derivation.inputs
    ]
    content["parameters"] = overrides.with_bare_names(derivation.parameters)
    return digest(content)


def forms_of(derivation: Derivation, former: PlainValues | None) -> Iterator[Derivation]:
    """Yield a derivation, and with its parameters in their former form if that is given.

    Results are looked up under the keys of both.
    """
    yield derivation
    if former is not None:
        yield replace(derivation, parameters=former)


def bind(derivation: Derivation, files: Sequence[ResultFile]) -> Derivation:
    """Return the derivation with each input of unknown content taken from `files`, by its name.

    Raises:
        CalibrationError: there is no such file.
    """
    by_name = {file.filename: file for file in files}
    return replace(
        derivation, inputs=tuple(_bound(item, by_name, derivation) for item in derivation.inputs)
    )


def _bound(item: Input, files: Mapping[str, ResultFile], derivation: Derivation) -> Input:
    if item.identity:
        return item
    if item.name not in files:
        raise CalibrationError(
            f"{derivation.pipeline} of {derivation.product} needs {item.name}; "
            f"the stage before it made {sorted(files) or 'nothing'}."
        )
    return replace(item, identity=files[item.name].identity, sha256=files[item.name].sha256)


def result_of(
    recipe: str,
    program: int,
    observation: str,
    derivation: Derivation,
    files: tuple[ResultFile, ...],
) -> Result:
    """Return the result that the files of a derivation are, for a recipe and a view folder."""
    return Result(
        recipe=recipe,
        program=program,
        observation=observation,
        pipeline=derivation.pipeline,
        product=derivation.product,
        key=key_of(derivation),
        files=files,
    )


def differences(old: Derivation, new: Derivation) -> tuple[Reason, ...]:
    """Return each difference of `new` from `old`; inputs that do not exist yet are left out."""
    return tuple(
        structs.replace(reason, what=f"{new.pipeline}: {reason.what}", stage=new.pipeline)
        for reason in _differences(old, new)
    )


def _differences(old: Derivation, new: Derivation) -> Iterator[Reason]:
    """Yield the differences; of two pipelines only those in what both have, apart from inputs."""
    before, after = (
        by_full_name(overrides.with_bare_names(each.parameters)) for each in (old, new)
    )
    references = old.references, new.references
    if old.pipeline != new.pipeline:
        yield Reason("pipeline", old.pipeline, new.pipeline, cause="pipeline")
        before, after = _in_both(before, after)
        references = _in_both(*references)
    yield from _changed("version", "version of ", old.engine, new.engine)
    if old.pipeline == new.pipeline:
        yield from _input_changes(old.inputs, new.inputs)
    yield from _changed("parameter", "", before, after)
    yield from _reference_changes(*references)
    yield from _hook_changes(dict(old.hooks), dict(new.hooks))


def _in_both(one: dict[str, Any], other: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the entries of both under the names that both have."""
    names = one.keys() & other.keys()
    return {name: one[name] for name in names}, {name: other[name] for name in names}


def _input_changes(old: Sequence[Input], new: Sequence[Input]) -> Iterator[Reason]:
    before = {item.name: item for item in old}
    after = {item.name: item for item in new}
    all_roles = (_roles(old), _roles(new))
    for name in sorted(before.keys() | after.keys()):
        was, now = before.get(name), after.get(name)
        roles, new_roles = (" and ".join(by_name.get(name, ())) for by_name in all_roles)
        if was is None or now is None:
            yield Reason(f"input {name}", roles, new_roles, cause="members", subject=name)
            continue
        if roles != new_roles:
            yield Reason(f"role of {name}", roles, new_roles, cause="order", subject=name)
        elif now.identity and was.identity != now.identity:
            before_and_after = was.identity[:12], now.identity[:12]
            what = f"science content of {name}"
            yield Reason(what, *before_and_after, cause=_content_cause(now), subject=name)
    order = [item.name for item in old], [item.name for item in new]
    if order[0] != order[1] and before.keys() == after.keys():
        texts = " ".join(order[0]), " ".join(order[1])
        yield Reason("order of the inputs", *texts, cause="order", subject="order of the inputs")


def _content_cause(item: Input) -> ReasonCause:
    """Return why the content of an input is another one: by whom it is made."""
    if item.path:
        return "own file"
    return "content" if item.name.endswith(UNCAL) else "inputs"


def _roles(inputs: Iterable[Input]) -> dict[str, list[str]]:
    """Return the roles of each input by name; one file may be background and selfcal."""
    by_name = group_by(inputs, lambda item: item.name)
    return {name: sorted(item.role for item in items) for name, items in by_name.items()}


def _hook_changes(old: Mapping[str, str], new: Mapping[str, str]) -> Iterator[Reason]:
    for name in sorted(old.keys() | new.keys()):
        before, after = old.get(name, ""), new.get(name, "")
        if before != after:
            what = f"hook {name}"
            yield Reason(what, before[:12], after[:12], cause="code", subject=what)


def _changed(
    cause: ReasonCause, prefix: str, old: Mapping[str, Any], new: Mapping[str, Any]
) -> Iterator[Reason]:
    for name in sorted(old.keys() | new.keys()):
        before, after = old.get(name, ""), new.get(name, "")
        if before != after:  # 1 and 1.0 are equal
            texts = _text(before), _text(after)
            yield Reason(f"{prefix}{name}", *texts, cause=cause, subject=name)


def _reference_changes(
    old: Mapping[str, tuple[str, str]], new: Mapping[str, tuple[str, str]]
) -> Iterator[Reason]:
    """Yield the references that differ: by their names, or else by their sha1."""
    names = ({kind: name for kind, (name, _) in references.items()} for references in (old, new))
    yield from _changed("reference", "reference ", *names)
    for kind in sorted(old.keys() & new.keys()):
        (name, before), (new_name, after) = old[kind], new[kind]
        if name == new_name and before != after:
            what = f"reference {kind}: content of {name}"
            yield Reason(what, before[:8], after[:8], cause="corrected", subject=kind)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else canonical(value)


def by_full_name(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return parameters by full name: {"jump.rejection_threshold": 4.0, "in_memory": True}."""
    values = {name: value for name, value in parameters.items() if name != "steps"}
    for step, of_step in parameters.get("steps", {}).items():
        values |= {f"{step}.{name}": value for name, value in of_step.items()}
    return values
