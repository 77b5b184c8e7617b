"""Parameters that no result of a recipe depends on: of stages that it does not run, and so on.

And files that parameters name, and that do not contain what they are named for.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from jwmirror.core.errors import plain_text
from jwmirror.core.fits import check_asdf_file
from jwmirror.core.grouping import group_by
from jwmirror.core.model import Recipe
from jwmirror.core.model.derivation import STAGES, single_step, whole_pipeline
from jwmirror.pipeline import registry
from jwmirror.pipeline.parameters.notes import full_name
from jwmirror.pipeline.parameters.resolution import WITHIN, ParameterPath, flatten
from jwmirror.pipeline.usercode.files import OVERRIDE, absolute_path, names_file
from jwmirror.pipeline.usercode.hooks import KINDS
from jwmirror.pipeline.usercode.reftype import UnreadableError, labels_of

SKIP = "skip"
ALWAYS = frozenset({SKIP, *KINDS})  # of a step: they act also if it is skipped
NEEDED = {  # (step, parameter): another parameter without whose value it is not read
    ("tweakreg", "catfile"): ("use_custom_catalogs", "true"),
    ("skymatch", "skylist"): ("skymethod", "user"),
}

SkippedSteps = Mapping[str, Collection[str]]  # by pipeline: the steps that jwst skips by default


def effect_notes(
    parameters: Mapping[str, Any],
    place: str,
    recipes: Sequence[Recipe],
    skipped: SkippedSteps,
    instruments: Collection[str] = (),
) -> Iterator[str]:
    """Yield a note on each step or pipeline at `place` whose parameters have no effect.

    `recipes` are the one that sets them, and those that extend it; `instruments` as in file_notes.
    """
    by_pipeline = group_by(flatten(parameters), lambda path: path[0])
    for pipeline, paths in by_pipeline.items():
        running = [recipe for recipe in recipes if _runs(recipe, pipeline)]
        idle = [registry.idle_steps(pipeline, instrument) for instrument in instruments]
        if not running:
            stages = _stages_of(recipes)
            yield f"{place}.{pipeline}: has no effect: {stages}; {pipeline} is not among them"
            continue
        for step, of_step in group_by(paths, lambda path: path[1]).items():
            if idle and all(step in steps for steps in idle):
                reason = f"{pipeline} does not run the step for {', '.join(sorted(instruments))}"
            elif not any(_runs(recipe, pipeline, step) for recipe in running):
                reason = _stages_of(running)
            elif all(_is_skipped(recipe, of_step[0], skipped) for recipe in running):
                reason = f"the step is skipped, as far as is known; set {SKIP}: false to run it"
            else:
                yield from _missing_partners(of_step, place, running)
                continue
            if names := [path[2] for path in of_step if path[2] not in ALWAYS]:
                yield f"{place}.{pipeline}.{step}: {', '.join(names)}: no effect, because {reason}"


def _runs(recipe: Recipe, pipeline: str, step: str | None = None) -> bool:
    """Return whether a recipe runs a pipeline and a step of it, or any if it is None."""
    if not recipe.steps:
        return STAGES.get(pipeline, 0) in recipe.stages
    outer = step and step.partition(WITHIN)[0]
    return any(
        whole_pipeline(name) == pipeline and outer in (None, single_step(name))
        for name in recipe.steps
    )


def _stages_of(recipes: Iterable[Recipe]) -> str:
    """Return which stages or steps recipes run, in words."""
    return ", ".join(
        f"recipe {recipe.name} has {'steps' if recipe.steps else 'stages'}: "
        f"[{', '.join(map(str, recipe.steps or recipe.stages))}]"
        for recipe in recipes
    )


def _is_skipped(recipe: Recipe, path: ParameterPath, skipped: SkippedSteps) -> bool:
    """Return whether a recipe skips a step, or the step that it belongs to, for all exposures."""
    if recipe.steps:  # they are never skipped
        return False
    pipeline, steps, _ = path
    parts = steps.split(WITHIN) if steps else []
    for step in (WITHIN.join(parts[: i + 1]) for i in range(len(parts))):
        default = str(step in skipped.get(pipeline, ())).lower()
        if _possible(recipe, (pipeline, step, SKIP), default) == {"true"}:
            return True
    return False


def _possible(recipe: Recipe, path: ParameterPath, default: str) -> set[str]:
    """Return the values that a parameter has for the exposures of a recipe, in lower case."""
    settings = flatten(recipe.settings)
    if path in settings:
        return {str(settings[path]).lower()}
    blocks = [flatten(block.parameters) for block in recipe.where]
    values = [flatten(recipe.parameters).get(path, default)]
    values += [block[path] for block in blocks if path in block]
    return {str(value).lower() for value in values}


def _missing_partners(
    paths: Iterable[ParameterPath], place: str, recipes: Sequence[Recipe]
) -> Iterator[str]:
    """Yield the parameters that are not read without a value of another one."""
    for pipeline, step, name in paths:
        other, wanted = NEEDED.get((step, name), ("", ""))
        needed = (pipeline, step, other)
        if other and not any(wanted in _possible(recipe, needed, "") for recipe in recipes):
            yield (
                f"{full_name(place, (pipeline, step, name))}: no effect without "
                f"{other}: {wanted}, unless a parameter reference of CRDS sets that; add it"
            )


def file_notes(
    parameters: Mapping[str, Any], place: str, base: Path, instruments: Collection[str]
) -> Iterator[str]:
    """Yield notes on files at `place`: references of other instruments, and files without a WCS.

    `instruments` are those of the exposures that the parameters are for; none if they are unknown.
    """
    for path, value in flatten(parameters).items():
        name = path[-1]
        if not names_file(name, value):
            continue
        file, where = absolute_path(value, base), full_name(place, path)
        if name == "output_wcs" and (problem := _wcs_problem(file)):
            yield f"{where}: found {value!r}, which has no WCS that resample can use: {problem}"
        if name.startswith(OVERRIDE) and instruments:
            found = _instrument_of(file)
            if found and found not in instruments:
                yield (
                    f"{where}: found {value!r}, a reference for {found}; the exposures that it is "
                    f"for are of {', '.join(sorted(instruments))}"
                )


def _instrument_of(reference: Path) -> str:
    try:
        return labels_of(reference).instrument
    except (OSError, UnreadableError):  # reported as a mistake
        return ""


def _wcs_problem(path: Path) -> str:
    """Return why resample cannot read its output WCS from a file; "" if it can."""
    from jwst.resample.resample_utils import load_custom_wcs

    try:
        check_asdf_file(path)
        load_custom_wcs(str(path), (1, 1))  # a shape may be in the recipe
    except Exception as err:  # asdf raises many kinds
        return "the key wcs is missing" if isinstance(err, KeyError) else plain_text(err)
    return ""
