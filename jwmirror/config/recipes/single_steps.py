"""Recipes that run single steps instead of stages, and whose products these steps take."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from jwmirror.core.errors import unknown_name
from jwmirror.core.model.derivation import STAGES, whole_pipeline
from jwmirror.pipeline.registry import COMBINING, SINGLE_STEPS

Raw = Mapping[str, Mapping[str, Any]]  # recipes as the config writes them, by name


def steps_of_recipe(line: Sequence[str], recipes: Raw) -> tuple[tuple[str, ...], str]:
    """Return the steps that a recipe runs alone, and the recipe whose products they take.

    `line` are the recipe and those that it extends. The next recipe of the line that runs stages
    makes the products; "" if there is none, for MAST's.
    """
    for place, name in enumerate(line):
        if steps := recipes[name].get("steps"):
            return tuple(steps), _with_stages(line[place + 1 :], recipes)
        if "stages" in recipes[name]:
            break
    return (), ""


def _with_stages(line: Sequence[str], recipes: Raw) -> str:
    return next((name for name in line if not recipes[name].get("steps")), "")


def step_mistakes(name: str, recipes: Raw, stages: Sequence[int]) -> Iterator[str]:
    """Yield the mistakes in a recipe's `steps`; `stages` are those of a recipe that names none."""
    recipe, place = recipes[name], f"recipes.{name}.steps"
    steps = recipe.get("steps")
    if not isinstance(steps, list):
        return
    if "stages" in recipe:
        yield f"{place}: a recipe runs stages or steps, not both; remove one of the two keys"
    line = [name]
    while "extends" in recipes[line[-1]]:
        line.append(recipes[line[-1]]["extends"])
    base = _with_stages(line[1:], recipes)
    made = next((recipes[each]["stages"] for each in line[1:] if "stages" in recipes[each]), stages)
    for step in map(str, steps):
        if step not in SINGLE_STEPS:
            yield f"{place}: {unknown_name('step that runs alone', step, SINGLE_STEPS)}"
        elif step in COMBINING and not base:
            yield (
                f"{place}: {step} takes the exposures as the stage left them, so it runs on the "
                "results of a recipe alone: add `extends`. stages: [3] makes cubes of MAST's files"
            )
        elif base and isinstance(made, list) and STAGES[whole_pipeline(step)] not in made:
            yield (
                f"{place}: {step} takes products of stage {STAGES[whole_pipeline(step)]}, and "
                f"recipe {base}, which it extends, does not run that stage; add the stage to "
                f"{base}, or remove `extends` to take MAST's products"
            )
