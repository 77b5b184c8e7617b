"""The words of a call: what they name, and what is wrong with them, in words."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from jwmirror.core.errors import TYPES, did_you_mean

EXPECTED = {  # refusals of values -> what is allowed
    "int_parsing": TYPES["integer"],
    "float_parsing": TYPES["number"],
    "greater_than_equal": "at least {ge}",
}
NAMING = ("--mirror", "--config")  # options that name the mirror, in every command


def naming_options(words: Sequence[str]) -> list[str]:
    """Return --mirror and --config with their values, as a call of a command has them."""
    return [part for name, value in _options(words) if name in NAMING for part in (name, value)]


def is_usage_error(error: BaseException) -> bool:
    """Return whether an error is click's; typer has its own click and does not export its class."""
    return isinstance(getattr(error, "message", None), str) and hasattr(error, "exit_code")


def usage_line(error: Any, program: str, words: Sequence[str], commands: Iterable[str]) -> str:
    """Return a line on a call that click refuses: what is wrong, and the next step.

    `words` follow the program, and `commands` are those that it has; `error` is click's.
    """
    context = error.ctx
    command = context.command_path if context else " ".join([program, *words[:1]])
    help_text = f"`{command} -h` explains it."
    option, parameter = getattr(error, "option_name", ""), getattr(error, "param", None)
    if option and not hasattr(error, "possibilities"):
        return f"{command}: option {option} needs a value; {help_text}"
    if option:
        name = next((word for word in words if word in commands), "")
        if command == program and name:
            why = f"the command has no option {option} before its name"
            return f"{command}: {why}; write it behind: {program} {name} {option}; {help_text}"
        near = did_you_mean(option, error.possibilities or ())
        return f"{command}: there is no option {option}{near or ';'} {help_text}"
    if parameter is not None and error.message:
        return f"{command}: {_name(parameter)}: {_refusal(error)}; {help_text}"
    if parameter is not None:
        why = f"{parameter.param_type_name} {_name(parameter)} is missing"
    elif unknown := _unknown_command(context, words, commands if command == program else ()):
        near = did_you_mean(unknown, commands if command == program else context.command.commands)
        help_text = f"`{command} -h` lists the commands."
        return f"{command}: there is no command {unknown!r}{near or ';'} {help_text}"
    else:
        why = _lower(error.format_message())
    usage = " ".join(context.command.collect_usage_pieces(context)) if context else "[OPTIONS]"
    usage = usage.replace("{", "").replace("}", "").replace("......", "...")
    return f"{command}: {why}; expected: {command} {usage}; {help_text}"


def _unknown_command(context: Any, words: Sequence[str], commands: Iterable[str]) -> str:
    """Return the word of a call in the place of a command that does not exist; "" if it exists."""
    if commands:
        return "" if words[0] in commands else words[0]
    inner = getattr(context.command, "commands", {}) if context else {}
    return next((word for word in words[1:] if inner and word not in inner), "")


def _name(parameter: Any) -> str:
    """Return the name of an option or argument, as people write it."""
    is_option = parameter.param_type_name == "option"
    return str(parameter.opts[0] if is_option else parameter.metavar)


def _lower(sentence: str) -> str:
    """Return a sentence as a part of another."""
    return sentence[:1].lower() + sentence[1:].rstrip(".")


def _refusal(error: Any) -> str:
    """Return why a value is refused. pydantic checks the values of typer, and knows them."""
    refusals: list[Any] = getattr(error.__cause__, "errors", list)()
    kind = refusals[0]["type"] if refusals else ""
    if expected := EXPECTED.get(kind):
        words = expected.format(**refusals[0].get("ctx", {}))
        return f"found {str(refusals[0]['input'])!r}, expected {words}"
    return _lower(str(error.message).removeprefix("Value error, "))


def _options(words: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield the options of a call, with the words after them or after their `=`."""
    for word, following in zip(words, (*words[1:], ""), strict=True):
        name, is_joined, value = word.partition("=")
        if name.startswith("--"):
            yield name, value if is_joined else following
