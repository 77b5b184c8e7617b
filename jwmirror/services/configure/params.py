"""The parameters that a recipe may set, by a name that a user gives."""

from dataclasses import replace

from jwmirror.core.errors import ConfigError, unknown_name
from jwmirror.core.model.parameters import ParameterGroup
from jwmirror.pipeline import registry
from jwmirror.pipeline.installed import why_not_recalibrating
from jwmirror.pipeline.parameters.specs import groups_of


def parameter_groups(name: str = "") -> tuple[ParameterGroup, ...]:
    """Return what PIPELINE, PIPELINE.STEP or PIPELINE.STEP.PARAMETER names; "": everything.

    Parameters that jwmirror sets itself (such as output folders) are left out.

    Raises:
        ConfigError: there is no such name, and the message suggests others; or there is no jwst.
    """
    if why := why_not_recalibrating("the list of parameters"):
        raise ConfigError([why])
    if not name:
        return tuple(group for pipeline in registry.PIPELINES for group in groups_of(pipeline))
    pipeline, _, rest = name.partition(".")
    pipeline = registry.pipeline_name(pipeline)
    if pipeline not in registry.PIPELINES:
        raise ConfigError([_no_pipeline(name)])
    groups = tuple(groups_of(pipeline))
    return _narrowed(groups, rest.removeprefix("steps.")) if rest else groups


def _narrowed(groups: tuple[ParameterGroup, ...], rest: str) -> tuple[ParameterGroup, ...]:
    """Return the step, or the parameter of a step or of the pipeline itself, that `rest` names."""
    whole, (step, _, name) = groups[0], rest.partition(".")
    by_step = {group.step: group for group in groups}
    if step not in by_step:
        own = [parameter for parameter in whole.parameters if parameter.name == rest]
        if own:
            return (replace(whole, parameters=tuple(own)),)
        names = [*filter(None, by_step), *(parameter.name for parameter in whole.parameters)]
        place = f"{whole.pipeline}.{step}"
        raise ConfigError([f"{place}: {unknown_name('step or parameter', step, names)}"])
    group = by_step[step]
    chosen = [parameter for parameter in group.parameters if name in ("", parameter.name)]
    if not chosen and name:
        names = [parameter.name for parameter in group.parameters]
        raise ConfigError([f"{group.name}.{name}: {unknown_name('parameter', name, names)}"])
    return (replace(group, parameters=tuple(chosen)),)


def _no_pipeline(name: str) -> str:
    """Return a message for a name that begins with no pipeline, but perhaps with a step."""
    word, _, _ = name.partition(".")
    if owners := registry.pipelines_with_step(word):
        full_names = ", ".join(f"{owner}.{name}" for owner in owners)
        return f"{name}: {word} is a step of {', '.join(owners)}; write {full_names}."
    groups = [
        group.name
        for group in parameter_groups()
        if name in {parameter.name for parameter in group.parameters}
    ]
    if groups:
        return f"{name}: is a parameter of {', '.join(groups)}; write {groups[0]}.{name}."
    return f"{name}: {unknown_name('pipeline', word, registry.PIPELINES)}"
