"""The command line application: the table of commands, and how errors end a command."""

import ast
import sys
from collections.abc import Iterable
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_group

from jwmirror.core.errors import ConfigError, JwmirrorError, disk_error, error_line
from jwmirror.core.printing import LINES, print_traceback, printable, printable_stderr

COMMANDS = {  # command -> its module, in the order of --help
    "init": "configure.init",
    "run": "start.run",
    "notify": "start.notify",
    "check": "configure.check",
    "search": "inspect.search",
    "doctor": "inspect.doctor",
    "plan": "inspect.status",
    "status": "inspect.status",
    "failures": "inspect.failures",
    "log": "inspect.log",
    "diff": "inspect.diff",
    "explain": "inspect.explain",
    "whatis": "inspect.whatis",
    "outdated": "inspect.whatis",
    "products": "inspect.products",
    "cite": "inspect.cite",
    "site": "maintain.site",
    "params": "configure.params",
    "new-step": "configure.new_step",
    "associate": "configure.associate",
    "accept": "maintain.accept",
    "rollback": "maintain.rollback",
    "release": "maintain.rollback",
    "pin": "maintain.pin",
    "unpin": "maintain.pin",
    "prune": "maintain.prune",
    "checkout": "maintain.checkout",
    "as-of": "maintain.checkout",
    "freeze": "maintain.freeze",
    "verify": "maintain.verify",
    "invalidate": "maintain.invalidate",
    "adopt": "maintain.adopt",
    "ingest-events": "maintain.ingest_events",
    "references": "maintain.references",
}


class CommandTable(TyperGroup):
    """The commands. The module of a command is imported on demand, so that each starts fast."""

    is_listing = False  # while the help text is made: then the summaries of commands are enough

    # `Any` for a click Context or Command: typer has its own click and does not export its classes.

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the names of all commands."""
        return list(COMMANDS)

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the help text, with the summary of each command."""
        self.is_listing = True
        _hide_values_of_flags(self.get_params(ctx))
        super().format_help(ctx, formatter)
        self.is_listing = False

    def shell_complete(self, ctx: Any, incomplete: str) -> Any:
        """Return completions for a shell, of commands without importing all of them."""
        self.is_listing = True
        found = super().shell_complete(ctx, incomplete)
        self.is_listing = False
        return found

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return a command. For an unknown name return None, with all imported to suggest one."""
        if self.is_listing:
            return TyperCommand(name=cmd_name, help=_summary(cmd_name))
        if cmd_name not in self.commands:
            modules = [COMMANDS[cmd_name]] if cmd_name in COMMANDS else COMMANDS.values()
            for module in modules:
                import_module(f"jwmirror.cli.{module}")
            self.commands = get_group(app).commands
        command = self.commands.get(cmd_name)
        for each in (command, *getattr(command, "commands", {}).values()):  # `references bundle`
            _hide_values_of_flags(each.get_params(ctx) if each else ())
        return command

    def invoke(self, ctx: Any) -> Any:
        """Run a command. Print an expected error; exit code 2 for a mistake in config or call.

        With --json, the error is JSON on standard output, where a program expects the answer.
        """
        as_json = "--json" in (*ctx._protected_args, *ctx.args)
        try:
            with printable_stderr():  # other libraries warn of what is in a file
                return super().invoke(ctx)
        except Exception as error:
            message = getattr(error, "message", None)
            is_usage = isinstance(message, str) and hasattr(error, "exit_code")  # click's
            if not (is_usage or isinstance(error, JwmirrorError) or disk_error(error)):
                raise
            code = 2 if is_usage or isinstance(error, ConfigError) else 1
            if as_json:
                from jwmirror.cli.output import print_json_error

                print_json_error(error, code)
            elif is_usage:
                error.message = printable(str(message), LINES)  # type: ignore[attr-defined]
                raise  # click shows the usage, too
            else:
                print(error_line(error), file=sys.stderr)
            raise typer.Exit(code) from error


def _hide_values_of_flags(options: Iterable[Any]) -> None:
    """Keep typer from showing `<bool>`, though a flag has no value."""
    for option in options:
        if getattr(option, "is_flag", False):
            option.metavar = ""


def _summary(command: str) -> str:
    """Return the help text of a command from the source of its module, which is not imported."""
    path = Path(__file__).parent.joinpath(*COMMANDS[command].split(".")).with_suffix(".py")
    group = ""
    for node in ast.parse(path.read_bytes()).body:
        if isinstance(node, ast.FunctionDef):
            decorators = [ast.unparse(each) for each in node.decorator_list]
            if any(each.startswith(f"app.command('{command}'") for each in decorators):
                return ast.get_docstring(node) or ""
        elif isinstance(node, ast.Assign) and isinstance(node.value, ast.Call):
            texts = {each.arg: each.value for each in node.value.keywords}
            group = str(getattr(texts.get("help"), "value", group))
    return group


app = typer.Typer(
    cls=CommandTable,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",  # joins the lines of a paragraph in help texts
)


def _show_version(is_wanted: bool) -> None:
    if is_wanted:
        from jwmirror import __version__

        print(f"jwmirror {__version__}")
        raise typer.Exit


@app.callback()
def jwmirror(
    version: Annotated[
        bool,
        typer.Option(
            "--version",
            is_eager=True,
            callback=_show_version,
            help="Show the version and exit.",
        ),
    ] = False,
) -> None:
    """Make, show and maintain a local, versioned mirror of your JWST programs.

    `init` writes a config, and `run` downloads and recalibrates; it runs Snakemake, which you may
    also call yourself. The other commands show and maintain what was made.
    """
    sys.excepthook = print_traceback
