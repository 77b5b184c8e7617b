"""Options and arguments that commands share, and how the mirror and the config are found."""

import re
from pathlib import Path
from typing import Annotated

import typer

from jwmirror.config.yaml_files import ADVICE, read_yaml
from jwmirror.core.errors import ConfigError, StoreError, did_you_mean, in_yaml
from jwmirror.core.folders import no_folder
from jwmirror.core.mirror import MARK, check_mirror, is_mirror

CONFIG = Path("config/config.yaml")
MIRROR_ALONE, LAST_RUN = "--mirror without --config", "--last-run"
NEXT = {  # steps after an option that needs a config
    MIRROR_ALONE: "add --config FILE",
    LAST_RUN: "leave out --last-run",
}

ConfigFile = Annotated[
    Path | None, typer.Option("--config", help=f"Config file (default: {CONFIG}).")
]
Mirror = Annotated[Path | None, typer.Option(help="Folder of a mirror; then no config is needed.")]
Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="NAME=VALUE",
        help="Override one parameter, such as deep.detector1.jump.skip=true. Repeatable.",
    ),
]
AllLines = Annotated[
    bool, typer.Option("--all", help="List everything. Without it, long lists are shortened.")
]
Verbose = Annotated[bool, typer.Option("--verbose", help="Show hashes, too.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON (keys: docs/commands.md).")]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Show what would be done, without doing it.")
]
Wait = Annotated[
    bool, typer.Option("--wait", help="If the mirror is locked, wait until it is free.")
]
GenerationName = Annotated[
    str, typer.Argument(metavar="GEN", help="Number of a generation, name of a pin, or `current`.")
]
FILE = typer.Argument(metavar="FILE", help="A file name, or its path below mirror/current/.")
TargetFolder = Annotated[Path, typer.Option("--to", help="Folder to write: new or empty.")]


def find_mirror(mirror: Path | None, config: Path | None) -> Path:
    """Return the mirror's folder: that of `--mirror`, else what the config file names.

    Raises:
        ConfigError: the folder of `--mirror` does not exist, or the config cannot be read.
        StoreError: the folder has files, and is no mirror.
    """
    root = named_mirror(mirror, config)
    if mirror is not None:
        _check_named(mirror.absolute())
    else:
        check_mirror(root)
    return root


def _check_named(mirror: Path) -> None:
    """Raise ConfigError if --mirror names no folder, StoreError if one with other files."""
    step = "name the folder of a mirror"
    if found := no_folder(mirror):
        near = did_you_mean(mirror.name, _folders_in(mirror.parent))
        why = f"{found}{near or ';'} {step}"
        raise ConfigError([f"--mirror {mirror}: {why}"])
    if is_mirror(mirror) or not (names := sorted(path.name for path in mirror.iterdir())):
        return
    if outer := next(filter(is_mirror, mirror.parents), None):
        step = f"this folder is in a mirror: --mirror {outer}"
    found = f"{', '.join(names[:3])}{' and others' if len(names) > 3 else ''}"
    why = f"expected the folder of a mirror (with a file {MARK}), found {found}; nothing was "
    why += f"changed; {step}"
    raise StoreError(f"--mirror {mirror}: {why}.")


def _folders_in(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir() if path.is_dir()] if folder.is_dir() else []


def named_mirror(mirror: Path | None, config: Path | None) -> Path:
    """Return the folder that `--mirror` or else the config file names, whatever is there.

    Only the key `mirror` of the config is read, so mistakes elsewhere in it do not matter.

    Raises:
        ConfigError: the config cannot be read.
    """
    if mirror is not None:
        return mirror
    path = config or CONFIG
    content = read_yaml(path, f"{ADVICE}, or the folder of a mirror with --mirror FOLDER")
    if mistakes := [each.message for each in content.mistakes if each.path == ("mirror",)]:
        raise ConfigError(mistakes)
    name = (content.value if isinstance(content.value, dict) else {}).get("mirror", "mirror")
    if not isinstance(name, str) or not name.isprintable() or re.search(r"^~|\$[A-Za-z_]", name):
        why = "expected the path of a folder in full (without ~ and $VARIABLES)"
        raise ConfigError([f"{path.absolute()}: mirror: found {in_yaml(name)}, {why}; correct it"])
    return Path(name)


def find_config(mirror: Path | None, config: Path | None) -> Path | None:
    """Return the config file to use; None if only `--mirror` is given: then none is read."""
    return None if mirror is not None and config is None else config or CONFIG


def check_used(config: Path | None, reason: str, **values: object) -> None:
    """Raise ConfigError if an option was given that needs a config, and none is read.

    `values` are by the name of the option (`set` for --set); `reason` names the option that
    excludes the config.
    """
    if config is None and (given := [f"--{name}" for name, value in values.items() if value]):
        options = " and ".join(given)
        raise ConfigError(
            [
                f"{options}: changes what the config says, and {reason} reads no config; nothing "
                f"was planned; {NEXT[reason]}"
            ]
        )


def check_alone(option: str, **values: object) -> None:
    """Raise ConfigError if options were given that have no effect beside another one."""
    if given := [f"--{name}" for name, value in values.items() if value]:
        others = " and ".join(given)
        raise ConfigError([f"{others}: no effect beside {option}; leave out one or the other"])


def lock_timeout_s(wait: bool) -> float | None:
    """Return how long to wait for the mirror's lock, in seconds; None: without limit."""
    return None if wait else 0.0
