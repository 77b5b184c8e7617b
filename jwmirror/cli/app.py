"""The command line application: the table of commands, and how errors end a command."""

import ast
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from io import TextIOWrapper
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_group

from jwmirror.cli.calls import is_usage_error, naming_options, usage_line
from jwmirror.core.errors import (
    ConfigError,
    JwmirrorError,
    LockedError,
    disk_error,
    error_line,
    known_call,
    path_error,
)
from jwmirror.core.printing import (
    LINES,
    is_plain_locale,
    print_traceback,
    printable,
    printable_stderr,
    wrapped,
)

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
        """Return a command; None for an unknown name."""
        if self.is_listing:
            return TyperCommand(name=cmd_name, help=_summary(cmd_name))
        if cmd_name not in self.commands and cmd_name in COMMANDS:
            import_module(f"jwmirror.cli.{COMMANDS[cmd_name]}")
            self.commands = get_group(app).commands
        command = self.commands.get(cmd_name)
        for each in (command, *getattr(command, "commands", {}).values()):  # `references bundle`
            _hide_values_of_flags(each.get_params(ctx) if each else ())
        return command

    def invoke(self, ctx: Any) -> Any:
        """Run a command. Print an expected error; exit code 2 for a mistake in config or call.

        With --json, the error is JSON on standard output, where a program expects the answer.
        """
        words = (*ctx._protected_args, *ctx.args)
        call = known_call(options=naming_options(words))
        with call, _errors_in_words(ctx, words), printable_stderr():  # libraries warn of files
            return super().invoke(ctx)

    def parse_args(self, ctx: Any, args: list[str]) -> Any:
        """Split the words of the call; print what is wrong with those before the command."""
        with _errors_in_words(ctx, tuple(args)):
            return super().parse_args(ctx, args)


@contextmanager
def _errors_in_words(ctx: Any, words: Sequence[str]) -> Iterator[None]:
    """Print an expected error, as `CommandTable.invoke` says, and end the command."""
    try:
        yield
    except Exception as error:
        is_usage = is_usage_error(error) and type(error).__name__ != "NoArgsIsHelpError"
        is_expected = isinstance(error, JwmirrorError) or disk_error(error) or path_error(error)
        if not (is_usage or is_expected):
            raise
        code = 2 if is_usage or isinstance(error, ConfigError) else 1
        text = error_line(error)
        if is_usage:
            text = usage_line(error, ctx.info_name, words, COMMANDS)
        elif isinstance(error, LockedError) and _can_wait(ctx, words):
            text = f"{text.rstrip('.')}; with --wait, the command waits for it."
        if "--json" in words:
            from jwmirror.cli.output import print_json_error

            print_json_error(error, text, code)
        else:
            print(wrapped(printable(text, LINES), sys.stderr), file=sys.stderr)
        raise typer.Exit(code) from error


def _can_wait(ctx: Any, words: Sequence[str]) -> bool:
    """Return whether the command of a call has the option --wait."""
    command = ctx.command.get_command(ctx, words[0])
    return any("--wait" in parameter.opts for parameter in command.params)


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
    rich_markup_mode=None if is_plain_locale() else "markdown",  # joins the lines of a paragraph
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
    if isinstance(sys.stdout, TextIOWrapper):  # names of files may have other characters
        sys.stdout.reconfigure(errors="backslashreplace")
