"""Where a config sets the parameters of recipes: for causes and reasons, in words."""

from collections.abc import Iterable, Iterator, Mapping

from jwmirror.config.recipes.parameter_files import ParameterPart
from jwmirror.config.yaml_files import YamlPath, YamlText
from jwmirror.core.jsonio import canonical
from jwmirror.core.model.parameters import ParameterPlace
from jwmirror.pipeline import registry
from jwmirror.pipeline.parameters.resolution import WITHIN, written_values


def places_of_parameters(
    text: YamlText, parts: Iterable[ParameterPart]
) -> Iterator[ParameterPlace]:
    """Yield where each parameter of a recipe is set: in a line, or in a file that a line names.

    A recipe has also those of the recipes that it extends. Of several places of one parameter,
    what overrides others comes first: settings of one run, where-blocks, the recipe, its files;
    what the recipe itself says before what those say that it extends.
    """
    parts = sorted(parts, key=_rank)
    for recipe in dict.fromkeys(user for part in parts for user in part.users):
        used = [part for part in parts if recipe in part.users]
        for part in sorted(used, key=lambda part: part.recipe != recipe):
            yield from _places(text, part, recipe)


def _rank(part: ParameterPart) -> int:
    if part.path[:1] == ("set",):
        return 0
    return 1 + 2 * (not part.match) + part.is_exported


def _places(text: YamlText, part: ParameterPart, recipe: str) -> Iterator[ParameterPlace]:
    lines = _lines(text, part.path)
    for (pipeline, step, name), value in written_values(part.parameters):
        full = ".".join(filter(None, (pipeline, step.replace(WITHIN, "."), name)))
        if part.file:
            place = f"{part.file}, named in {_nearest(text, part.path)}"
        else:
            place = lines.get(full) or _nearest(text, part.path)
        shown = value if isinstance(value, str) else canonical(value)
        yield ParameterPlace(recipe=recipe, name=full, value=shown, place=place)


def _lines(text: YamlText, above: YamlPath) -> Mapping[str, str]:
    """Return the places of values below a path in the config, by the name of the parameter."""
    found = {}
    for path, written in text.written.items():
        pipeline, *inner = map(str, path[len(above) :] or ("",))
        if path[: len(above)] == above and inner:
            name = [registry.pipeline_name(pipeline), *(each for each in inner if each != "steps")]
            found[".".join(name)] = written.in_words
    return found


def _nearest(text: YamlText, path: YamlPath) -> str:
    """Return the place of a value, or of what is around it."""
    around = (path[:length] for length in range(len(path), 0, -1))
    known = next((text.written[each] for each in around if each in text.written), None)
    return known.in_words if known else ""
