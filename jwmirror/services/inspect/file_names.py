"""Files by the names that users give: a file name, the end of a path in a view, or a key."""

from collections.abc import Iterable
from pathlib import Path

from jwmirror.core.errors import StoreError, suggest


def matching_paths(name: str, paths: Iterable[str]) -> tuple[str, ...]:
    """Return the paths that a file name means, or a path that ends as they do."""
    wanted = name.removeprefix("./").strip("/")
    return tuple(
        path
        for path in paths
        if path == wanted or path.endswith(f"/{wanted}") or wanted.endswith(f"/{path}")
    )


def require_one_key(name: str, keys: Iterable[str]) -> None:
    """Raise StoreError, which lists them, if several keys begin with a name."""
    if len(matches := sorted({key for key in keys if key.startswith(name)})) > 1:
        raise StoreError(
            f"{name}: expected the beginning of one key, found {len(matches)}: "
            f"{', '.join(matches)}; nothing was done; give more digits."
        )


def no_such_file(
    root: Path,
    name: str,
    where: str,
    paths: Iterable[str],
    otherwise: str = "",
) -> StoreError:
    """Return an error for a name that no path matches; it suggests the most similar file names.

    `where` says where the file was looked for; `otherwise` is the hint if no name is similar.
    """
    file_names = sorted({path.rpartition("/")[2] for path in paths})
    near = suggest(name.rpartition("/")[2], file_names, most=5)
    otherwise = otherwise or f"the folder {root.absolute() / 'current'} shows all files"
    hint = f"did you mean {', '.join(near)}?" if near else f"{otherwise}."
    return StoreError(f"mirror {root.absolute()}: {name}: {where}; {hint}")
