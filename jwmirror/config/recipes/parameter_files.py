"""Parameter files that a recipe names (`from`): read, and merged into its parameters."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from jwmirror.config.yaml_files import YamlPath, describe_path
from jwmirror.core.errors import ConfigError
from jwmirror.pipeline import registry
from jwmirror.pipeline.parameters import exported
from jwmirror.pipeline.parameters.python_notation import without_python_notation
from jwmirror.pipeline.parameters.resolution import normalise

FROM = "from"  # key in a pipeline or step of a recipe: a file with its parameters


@dataclass(frozen=True)
class ParameterPart:
    """Parameters of a recipe from one place in the config, which begins each message on them."""

    recipe: str
    place: str
    parameters: Mapping[str, Any]
    is_exported: bool = False  # from a file that jwst wrote
    users: tuple[str, ...] = ()  # the recipe, and those that extend it
    path: YamlPath = ()  # of the parameters in the config, or of the name of the file
    file: str = ""  # with the parameters, as the config names it
    match: Mapping[str, Any] = field(default_factory=dict)  # of a where-block


class ParameterFileReader:
    """Reads the parameter files of one recipe; relative paths start in the working directory.

    Collects the `parts` of its parameters, to be checked by stpipe's specs, and the `mistakes` of
    files that cannot be read.
    """

    def __init__(self, recipe: str):
        self._recipe = recipe
        self.parts: list[ParameterPart] = []
        self.mistakes: list[str] = []

    def expand(self, raw: Mapping[str, Any]) -> dict[str, Any]:
        """Return the recipe with the contents of files; malformed parts are left to the schema."""
        path: YamlPath = ("recipes", self._recipe)
        whole = dict(raw)
        if not isinstance(raw.get("extends", ""), str):
            del whole["extends"]
        if isinstance(raw.get("parameters"), Mapping):
            whole["parameters"] = self._read((*path, "parameters"), raw["parameters"])
        if isinstance(raw.get("where"), list):
            blocks = enumerate(raw["where"])
            whole["where"] = [self._block((*path, "where", i), block) for i, block in blocks]
        return whole

    def _block(self, path: YamlPath, block: Any) -> Any:
        if not isinstance(block, Mapping) or not isinstance(block.get("parameters"), Mapping):
            return block
        first = len(self.parts)
        whole = {**block, "parameters": self._read((*path, "parameters"), block["parameters"])}
        if isinstance(block.get("match"), Mapping):
            self.parts[first:] = [replace(p, match=block["match"]) for p in self.parts[first:]]
        return whole

    def _read(self, path: YamlPath, parameters: Mapping[str, Any]) -> dict[str, Any]:
        whole, written = {}, {}
        for name, content in without_python_notation(parameters).items():
            pipeline, where = registry.pipeline_name(str(name)), (*path, str(name))
            content = {FROM: content} if isinstance(content, str) else content
            if pipeline not in registry.PIPELINES or not isinstance(content, Mapping):
                written[name] = content
                continue
            written[name] = _without_from(content)
            above = normalise({pipeline: written[name]}).get(pipeline, {})
            whole[name] = overlay(self._files(where, content, pipeline, above), above)
        self.parts.append(ParameterPart(self._recipe, describe_path(path), written, path=path))
        return whole

    def _files(
        self, path: YamlPath, content: Mapping[str, Any], pipeline: str, above: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Return the parameters of a pipeline in files, in normal form; `above` overrides them."""
        below = self._file(path, content[FROM], pipeline, above) if FROM in content else {}
        for group, where in ((content, path), (content.get("steps"), (*path, "steps"))):
            for step, values in group.items() if isinstance(group, Mapping) else ():
                if step != "steps" and isinstance(values, Mapping) and FROM in values:
                    said = self._file((*where, step), values[FROM], pipeline, above, step)
                    below = overlay(below, said)
        return below

    def _file(
        self, path: YamlPath, file: Any, pipeline: str, above: Mapping[str, Any], step: str = ""
    ) -> dict[str, Any]:
        """Return the parameters in one file; those that the recipe overrides are not checked."""
        try:
            if not isinstance(file, str):
                raise ConfigError(["expected the name of a file"])
            content = exported.read_exported(Path(file).expanduser().absolute(), pipeline, step)
        except ConfigError as error:
            self.mistakes.append(f"{describe_path(path)}: found {file!r}, {error}.")
            return {}
        said = {"steps": {step: content}} if step else content
        checked = {pipeline: _without(said, above)}
        place = f"{describe_path(path)} ({file})"
        path = (*path, FROM)
        self.parts.append(ParameterPart(self._recipe, place, checked, True, path=path, file=file))
        return said


def overlay(below: Mapping, above: Mapping) -> dict[str, Any]:
    """Return nested dicts merged key by key; `above` overrides `below`."""
    merged = dict(below)
    for key, value in above.items():
        both = isinstance(value, Mapping) and isinstance(merged.get(key), Mapping)
        merged[key] = overlay(merged[key], value) if both else value
    return merged


def _without(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Return the part of nested dicts that `above` does not override."""
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
