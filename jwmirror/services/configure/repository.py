"""The workflow as a plain Snakemake repository, for those who want to see or change its rules."""

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from jwmirror.config.workflow_files import workflow_files, workflow_folder
from jwmirror.core.errors import ConfigError, StoreError, plain_text

CONFIG = Path("config/config.yaml")


def new_repository_files(folder: Path, with_config: bool) -> dict[Path, Path]:
    """Return the files of the workflow to write into a folder, and their sources.

    `with_config`: with the config that comes with jwmirror.

    Raises:
        ConfigError: one of them exists.
    """
    source = workflow_folder()
    names = [name for name in workflow_files(source) if with_config or name != CONFIG]
    files = {folder / name: source / name for name in names}
    check_unwritten(list(files))
    return files


def write_repository(files: Mapping[Path, Path]) -> None:
    """Write the files that `new_repository_files` returned, with their permissions."""
    for path, source in files.items():
        write_new_file(path, source.read_bytes())
        shutil.copymode(source, path)


def check_unwritten(paths: Sequence[Path]) -> None:
    """Raise ConfigError if one of some files exists, which would be written."""
    if existing := [str(path.absolute()) for path in paths if path.exists() or path.is_symlink()]:
        names = ", ".join(existing[:3]) + (", ..." if len(existing) > 3 else "")
        raise ConfigError(
            [
                f"{names}: exists already, and is never overwritten; nothing was written; name "
                "another file with --config FILE, or call this in another folder"
            ]
        )


def write_new_file(path: Path, content: bytes) -> None:
    """Write a file that does not exist yet.

    Raises:
        ConfigError: it exists.
        StoreError: the disk refused it.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(path, "xb") as file:
            file.write(content)
    except FileExistsError:
        check_unwritten([path])
        raise
    except OSError as err:
        raise StoreError(f"{path}: {plain_text(err)}; it was not written.") from err
