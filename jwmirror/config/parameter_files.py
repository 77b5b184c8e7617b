"""Parameters as a recipe writes them, with the files that it names read in their place."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jwmirror.core.errors import ConfigError
from jwmirror.pipeline import registry
from jwmirror.pipeline.parameters import exported
from jwmirror.pipeline.parameters.resolution import normalise

FROM = "from"  # in a pipeline or step of a recipe: a file that its parameters are read from


@dataclass(frozen=True)
class ParameterPart:
    """Parameters of a recipe that stand in one place; `place` begins each sentence about them."""

    recipe: str
    place: str
    parameters: Mapping[str, Any]


class ParameterFileReader:
    """Spells one recipe out; paths start at the working directory.

    Notes the `parts` that its parameters consist of, to be held to stpipe's specs, and the
    `mistakes` of files that cannot be read.
    """

    def __init__(self, recipe: str):
        self._recipe = recipe
        self.parts: list[ParameterPart] = []
        self.mistakes: list[str] = []

    def spelled(self, raw: Mapping[str, Any]) -> dict[str, Any]:
        """The recipe with the contents of files; what is malformed is left to the schema."""
        place, whole = f"recipes.{self._recipe}", dict(raw)
        if not isinstance(raw.get("extends", ""), str):
            del whole["extends"]
        if isinstance(raw.get("parameters"), Mapping):
            whole["parameters"] = self._read(f"{place}.parameters", raw["parameters"])
        if isinstance(raw.get("where"), list):
            blocks = enumerate(raw["where"])
            whole["where"] = [self._block(f"{place}.where[{i}]", block) for i, block in blocks]
        return whole

    def _block(self, place: str, block: Any) -> Any:
        if not isinstance(block, Mapping) or not isinstance(block.get("parameters"), Mapping):
            return block
        return {**block, "parameters": self._read(f"{place}.parameters", block["parameters"])}

    def _read(self, place: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
        whole, written = {}, {}
        for name, content in parameters.items():
            pipeline, where = registry.pipeline_name(str(name)), f"{place}.{name}"
            content = {FROM: content} if isinstance(content, str) else content
            if pipeline not in registry.PIPELINES or not isinstance(content, Mapping):
                written[name] = content
                continue
            written[name] = _without_from(content)
            above = normalise({pipeline: written[name]}).get(pipeline, {})
            whole[name] = overlay(self._files(where, content, pipeline, above), above)
        self.parts.append(ParameterPart(self._recipe, place, written))
        return whole

    def _files(
        self, place: str, content: Mapping[str, Any], pipeline: str, above: Mapping[str, Any]
    ) -> dict[str, Any]:
        """What files say of a pipeline, in normal form; `above` is what the recipe itself says."""
        below = self._file(place, content[FROM], pipeline, above=above) if FROM in content else {}
        for group, where in ((content, place), (content.get("steps"), f"{place}.steps")):
            for step, values in group.items() if isinstance(group, Mapping) else ():
                if step != "steps" and isinstance(values, Mapping) and FROM in values:
                    said = self._file(f"{where}.{step}", values[FROM], pipeline, step, above)
                    below = overlay(below, said)
        return below

    def _file(
        self,
        place: str,
        path: Any,
        pipeline: str,
        step: str = "",
        above: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """What one file says; what the recipe lays over it need not be right in the file."""
        try:
            if not isinstance(path, str):
                raise ConfigError(["expected the name of a file"])
            content = exported.read_exported(Path(path).expanduser().absolute(), pipeline, step)
        except ConfigError as error:
            self.mistakes.append(f"{place}: found {path!r}, {error}.")
            return {}
        said = {"steps": {step: content}} if step else content
        counts = _without(said, above or {})
        self.parts.append(ParameterPart(self._recipe, f"{place} ({path})", {pipeline: counts}))
        return said


def overlay(below: Mapping, above: Mapping) -> dict[str, Any]:
    """Nested dicts merged key by key; `above` wins."""
    merged = dict(below)
    for key, value in above.items():
        both = isinstance(value, Mapping) and isinstance(merged.get(key), Mapping)
        merged[key] = overlay(merged[key], value) if both else value
    return merged


def _without(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """What of nested dicts `above` does not hide."""
    return {
        key: _without(value, above[key]) if isinstance(above.get(key), Mapping) else value
        for key, value in below.items()
        if key not in above or isinstance(above[key], Mapping)
    }


def _without_from(content: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: _without_from(value) if isinstance(value, Mapping) else value
        for name, value in content.items()
        if name != FROM
    }
