"""Notes on parameters of a config that are valid, but have no effect or are ignored."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from jwmirror.core.errors import in_yaml
from jwmirror.pipeline.parameters.resolution import (
    EXTRA_OUTPUTS,
    ParameterPath,
    is_parallel,
    names_output,
    written_values,
)

CORES_IGNORED = (
    "jwmirror runs exposures side by side, one process for each; give the run more cores (--cores) "
    "instead (the results do not depend on it)"
)
NAMES_IGNORED = "jwmirror sets folders and names of products"
EXTRA_IGNORED = (
    "all exposures would write one file of this name, so it is not written; the products are the "
    "same"
)


def ignored_notes(parameters: Mapping[str, Any], place: str) -> Iterator[str]:
    """Yield a note on each parameter that has no influence on results and is ignored."""
    for path, value in written_values(parameters):
        name = path[-1]
        if is_parallel(name, value):
            why = CORES_IGNORED
        elif names_output(name, value):
            why = EXTRA_IGNORED if name in EXTRA_OUTPUTS else NAMES_IGNORED
        else:
            continue
        yield f"{full_name(place, path)}: {in_yaml(value)} is ignored: {why}"


def dropped_note(place: str, dropped: Iterable[ParameterPath]) -> str:
    """Return a note on parameters of an exported file that jwst does not have any more."""
    names = [full_name("", path) for path in dropped]
    return (
        f"{place}: left out {', '.join(names)}: this jwst does not have them any more, and they "
        "had no effect in this file"
    )


def full_name(place: str, path: ParameterPath) -> str:
    """Return the name of a parameter below its place in the config."""
    return ".".join(filter(None, (place, *path)))
