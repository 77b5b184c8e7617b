"""Names of the mappings and references of a CRDS context, read from its mapping files alone."""

import ast
from collections.abc import Iterator
from pathlib import Path

MAPPING, REFERENCE = (".pmap", ".imap", ".rmap"), (".fits", ".asdf", ".json")


def mappings_of(folder: Path, context: str) -> tuple[str, ...]:
    """Return the names of all mappings under a pmap, imap or rmap, with its own name."""
    below = (
        name
        for child in _names_in(folder / context, MAPPING)
        for name in mappings_of(folder, child)
    )
    return (context, *sorted(set(below)))


def references_of(folder: Path, context: str) -> tuple[str, ...]:
    """Return the names of all references under a pmap, imap or rmap."""
    names = {
        name
        for mapping in mappings_of(folder, context)
        for name in _names_in(folder / mapping, REFERENCE)
    }
    return tuple(sorted(names))


def _names_in(mapping: Path, endings: tuple[str, ...]) -> Iterator[str]:
    """Yield the file names with given endings in a mapping's selector."""
    selector = next(
        statement.value
        for statement in ast.parse(mapping.read_text()).body
        if isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == "selector"
    )
    for node in ast.walk(selector):
        if isinstance(node, ast.Constant) and str(node.value).endswith(endings):
            yield str(node.value)
