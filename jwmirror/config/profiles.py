"""Mistakes that Snakemake would hide or crash on: in profiles, and in files of --configfile."""

import sys
from argparse import ArgumentParser
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from jwmirror.config.selections import DAY
from jwmirror.config.sources import read_sources
from jwmirror.config.yaml_files import YamlText, read_yaml
from jwmirror.core.errors import ConfigError
from jwmirror.core.log import send_message
from jwmirror.core.model.run import RunMessage

OPTION_NAMES = [f"--{'configfiles'[:end]}" for end in range(7, 12)]  # Snakemake takes beginnings
TEMPLATE = "__use_yte__"  # key of a YAML template, whose expressions Snakemake evaluates
SETTINGS = {"config", "configfile", "configfiles"}  # of a profile: those that jwmirror reads


def check_profiles(profiles: Iterable[Path]) -> None:
    """Check the text of the configs in profiles.

    Snakemake passes on the values that it read (741 for 01345), so the files are read again.

    Raises:
        ConfigError: lists the mistakes, or a profile cannot be read.
    """
    contents = (read_yaml(path, "correct the profile") for path in profiles)
    if mistakes := [message for content in contents for message in _mistakes(content)]:
        raise ConfigError(mistakes)


def check_given_files(arguments: Sequence[str]) -> None:
    """End the process with code 2 if Snakemake cannot read a file of --configfile, or would run it.

    The profiles call it, because Snakemake reads these files before the Snakefile.
    """
    parser = ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument(*OPTION_NAMES, nargs="+", type=Path, default=[], dest="configfile")
    given, _ = parser.parse_known_args(list(arguments))
    with config_mistakes_end_the_call():
        content = read_sources(given.configfile, advice="correct --configfile")
        mistakes = [mistake.message for mistake in content.mistakes]
        if isinstance(content.value, Mapping) and TEMPLATE in content.value:
            why = "Snakemake would run the Python code in this file; delete the key"
            mistakes.append(content.locate((TEMPLATE,), why))
        if mistakes:
            raise ConfigError(mistakes)


@contextmanager
def config_mistakes_end_the_call() -> Iterator[None]:
    """Print the mistakes of a ConfigError, and end the process with code 2."""
    try:
        yield
    except ConfigError as error:
        count = len(error.mistakes)
        text = f"{count} mistake{'s' * (count != 1)} in the config; nothing was run"
        send_message(RunMessage(kind="error", text=text, details=tuple(error.mistakes)))
        print(f"Mistakes in the config:\n{error}", file=sys.stderr)
        sys.exit(2)


def _mistakes(profile: YamlText) -> Iterator[str]:
    yield from (message for path, message in profile.mistakes if SETTINGS & set(path[:1]))
    for path, written in profile.written.items():
        if path[:1] == ("config",) and DAY.fullmatch(written.text) and not written.is_quoted:
            why = f'Snakemake cannot pass on a day from a profile; write "{written.text}" in quotes'
            yield profile.locate(path, why)
