"""Recipes that run single steps instead of stages, and whose products these steps take."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from jwmirror.core.errors import unknown_name
from jwmirror.core.model.derivation import STAGES, whole_pipeline
from jwmirror.pipeline.registry import COMBINING, SINGLE_STEPS

Raw = Mapping[str, Mapping[str, Any]]  # recipes as the config writes them, by name

OF_STAGES = ("associations", "between", "keep", "msa")  # keys that no single step reads


def steps_of_recipe(line: Sequence[str], recipes: Raw) -> tuple[tuple[str, ...], str]:
    """Return the steps that a recipe runs alone, and the recipe whose products they take.

    `line` are the recipe and those that it extends. The next recipe of the line that runs stages
    makes the products; "" without one, for those of MAST.
    """
    for number, name in enumerate(line):
        if "steps" in recipes[name]:
            below = range(number + 1, len(line))
            bases = (line[n] for n in below if not steps_of_recipe(line[n:], recipes)[0])
            return _own_steps(recipes[name]), next(bases, "")
        if "stages" in recipes[name]:
            break
    return (), ""


def _own_steps(recipe: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the steps that a recipe itself names; what is no text is left to the schema."""
    steps = recipe.get("steps")
    return tuple(s for s in steps if isinstance(s, str)) if isinstance(steps, list) else ()


def step_mistakes(name: str, recipes: Raw, stages: Sequence[int]) -> Iterator[str]:
    """Yield the mistakes in a recipe's `steps`; `stages` are those of a recipe that names none."""
    recipe, place = recipes[name], f"recipes.{name}.steps"
    line = [name]
    while "extends" in recipes[line[-1]]:
        line.append(recipes[line[-1]]["extends"])
    steps, base = steps_of_recipe(line, recipes)
    for key in OF_STAGES if steps else ():
        if recipe.get(key):
            yield (
                f"recipes.{name}.{key}: has no effect on single steps; remove it, or write it in "
                "the recipe with stages whose products they take"
            )
    if _own_steps(recipe) and "stages" in recipe:
        yield f"{place}: a recipe runs stages or steps, not both; remove one of the two keys"
    made = next((recipes[each]["stages"] for each in line[1:] if "stages" in recipes[each]), stages)
    for step in _own_steps(recipe):
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
