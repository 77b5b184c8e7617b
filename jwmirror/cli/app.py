"""The command line's frame: the app, the options that commands share, how they end and print."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
import yaml
from rich.console import Console, RenderableType
from typer.core import TyperGroup
from typer.main import get_group

from jwmirror.core.errors import ConfigError, JwmirrorError

HOMES = {  # command -> the module that has it, in the order of the help
    "check": "check",
    "plan": "status",
    "status": "status",
    "log": "log",
    "diff": "diff",
    "explain": "explain",
    "params": "params",
    "new-step": "params",
    "rollback": "generations",
    "pin": "generations",
    "unpin": "generations",
    "prune": "generations",
    "checkout": "export",
    "as-of": "export",
    "freeze": "export",
    "verify": "verify",
    "adopt": "ingest",
    "ingest-events": "ingest",
    "references": "references",
}


class Commands(TyperGroup):
    """The commands; a module is imported when one of its own is asked for, and so starts fast."""

    def list_commands(self, ctx: typer.Context) -> list[str]:
        """All names."""
        return list(HOMES)

    def get_command(self, ctx: typer.Context, cmd_name: str) -> Any:
        """A command, or None; after an unknown name all are there, to suggest one of them."""
        if cmd_name not in self.commands:
            for home in {HOMES[cmd_name]} if cmd_name in HOMES else set(HOMES.values()):
                import_module(f"jwmirror.cli.{home}")
            self.commands = get_group(app).commands
        return self.commands.get(cmd_name)


app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
ConfigFile = Annotated[Path, typer.Option("--config", help="The config file.")]
AskedConfig = Annotated[
    Path | None, typer.Option("--config", help="The config file; else config/config.yaml.")
]
Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set", help="RECIPE.PIPELINE.STEP.PARAMETER=VALUE, above the config; repeat it."
    ),
]
All = Annotated[bool, typer.Option("--all", help="List everything.")]
Mirror = Annotated[Path | None, typer.Option(help="The mirror; else what the config names.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON; its keys: docs/commands.md.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Tell what it would do, and end.")]
Wait = Annotated[bool, typer.Option("--wait", help="Wait for who works on the mirror.")]
CONFIG = Path("config/config.yaml")


def _tell_version(asked: bool) -> None:
    if asked:
        from jwmirror import __version__

        print(f"jwmirror {__version__}")
        raise typer.Exit


@app.callback()
def jwmirror(
    version: Annotated[
        bool,
        typer.Option("--version", is_eager=True, callback=_tell_version, help="Tell which it is."),
    ] = False,
) -> None:
    """A local mirror of your JWST programs that knows its own history."""


def patience(wait: bool) -> float | None:
    """How long to wait for a lease, in seconds; None: as long as it takes."""
    return None if wait else 0.0


def mirror_of(mirror: Path | None, config: Path) -> Path:
    """The mirror that was named, or that a config names; only that key of it is read."""
    if mirror is not None:
        if not mirror.is_dir():
            raise ConfigError([f"--mirror {mirror}: there is no such folder"])
        return mirror
    try:
        found = yaml.safe_load(config.read_text())
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as err:
        mistake = f"{config}: cannot be read; name one with --config, or a mirror with --mirror"
        raise ConfigError([mistake]) from err
    named = found.get("mirror", "mirror") if isinstance(found, dict) else "mirror"
    if not isinstance(named, str):
        raise ConfigError([f"{config}: mirror: found {named!r}, expected the name of a folder"])
    return Path(named)


@contextmanager
def told() -> Iterator[None]:
    """Print jwmirror's own errors; exit code 2 for the config's, 1 for the others."""
    try:
        yield
    except ConfigError as error:
        print("\n".join(error.mistakes), file=sys.stderr)
        raise typer.Exit(2) from error
    except JwmirrorError as error:
        print(error, file=sys.stderr)
        raise typer.Exit(1) from error


def tell(record: Any, page: RenderableType, as_json: bool) -> None:
    """Print a record: as a page for people, or as JSON."""
    if as_json:
        print_json(record)
    else:
        console().print(page)


def console() -> Console:
    """The terminal; or, into a pipe or file, a page wide enough not to cut names."""
    return Console() if sys.stdout.isatty() else Console(width=200)


def print_json(value: Any) -> None:
    """Print a value as JSON with sorted keys."""
    encoded = msgspec.json.encode(value, order="sorted")
    print(msgspec.json.format(encoded, indent=2).decode())
