"""The first config of a user: written from a few answers, checked, and never over another file."""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import jinja2

from jwmirror.config.load import schema
from jwmirror.config.selections import expand_numbers
from jwmirror.config.yaml_files import parse_yaml
from jwmirror.core.errors import ConfigError
from jwmirror.core.mirror import check_mirror
from jwmirror.core.model import Selection
from jwmirror.pipeline.installed import why_not_recalibrating
from jwmirror.report.formatting import count, size
from jwmirror.report.survey import ProgramSurvey
from jwmirror.services.configure.checked_config import build_checked_config
from jwmirror.services.configure.repository import (
    check_unwritten,
    new_repository_files,
    write_new_file,
    write_repository,
)
from jwmirror.services.configure.survey import survey_programs

OPTIONS = {  # keys of a config -> options of `init`
    "programs.observations": "--observations",
    "programs.instruments": "--instrument",
    "programs.products": "--product",
    "programs": "PROGRAM",
    "recipes": "--recipe",
    "mirror": "--mirror",
    "archive.url": "--archive-url",
    "references.url": "--references-url",
    "references.context": "--context",
    "references.cache": "--cache",
}
TEMPLATE = Path(__file__).parent / "templates" / "config.txt"


@dataclass(frozen=True, kw_only=True)
class ConfigAnswers:
    """What a user wants to have in a config; empty values stand for the defaults."""

    programs: tuple[int, ...]
    observations: tuple[str, ...] = ()  # numbers and ranges: 5, 1-4
    instruments: tuple[str, ...] = ()
    products: tuple[str, ...] = ()  # suffixes
    recipe: str = "mine"  # "": none
    mirror: str = "mirror"
    cache: str = "crds_cache"
    archive_url: str = ""
    references_url: str = ""
    context: str = "build"

    @property
    def archive(self) -> str:
        """The address of MAST."""
        default: str = schema()["properties"]["archive"]["properties"]["url"]["default"]
        return self.archive_url or default

    @property
    def criteria(self) -> dict[str, tuple[str, ...]]:
        """The criteria of each program, as in the config."""
        named = {
            "observations": self.observations,
            "instruments": tuple(name.upper() for name in self.instruments),
            "products": self.products,
        }
        return {key: values for key, values in named.items() if values}


def selections_of_answers(answers: ConfigAnswers) -> tuple[Selection, ...]:
    """Return what the config will select; it must be valid (`check_text`)."""
    numbers = sorted({n for item in answers.observations for n in expand_numbers(item)})
    criteria = answers.criteria
    return tuple(
        Selection(
            program=program,
            observations=tuple(numbers) or None,
            instruments=criteria.get("instruments"),
            products=criteria.get("products"),
            guide_stars=False,
            previews=False,
        )
        for program in answers.programs
    )


def config_text(answers: ConfigAnswers, surveys: Iterable[ProgramSurvey] = ()) -> str:
    """Return a config with comments; `surveys` say in a comment what MAST has of each program."""
    comments = {survey.program: _comment(survey) for survey in surveys}
    template = jinja2.Template(
        TEMPLATE.read_text(), keep_trailing_newline=True, undefined=jinja2.StrictUndefined
    )
    return (
        template.render(
            mirror=_quoted(answers.mirror),
            mirror_words=answers.mirror,
            archive_url=answers.archive_url and _quoted(answers.archive_url),
            references_url=answers.references_url and _quoted(answers.references_url),
            context=_quoted(answers.context),
            cache=_quoted(answers.cache),
            programs=[
                {"number": number, "comment": comments.get(number, "")}
                for number in answers.programs
            ],
            criteria={key: ", ".join(map(_quoted, v)) for key, v in answers.criteria.items()},
            recipe=answers.recipe and _quoted(answers.recipe),
        ).rstrip("\n")
        + "\n"
    )


def _quoted(text: str) -> str:
    """Return a text as YAML: in quotes unless it is a plain word or number."""
    is_plain = text.isascii() and text.replace("_", "a").replace("-", "a").isalnum()
    is_word = is_plain and (text[0].isalpha() or (text.isdecimal() and text[0] != "0"))
    return text if is_word else json.dumps(text)


def _comment(survey: ProgramSurvey) -> str:
    """Return in a line what is selected of a program."""
    files, bytes_ = survey.selected
    types = sorted({kind for part in survey.observations for kind in part.exposure_types})
    shown = f" ({', '.join(types[:6])}{', ...' if len(types) > 6 else ''})" if types else ""
    return f"At MAST now: {count(files, 'file')}, {size(bytes_)}{shown}"


def check_text(text: str, path: Path) -> None:
    """Raise ConfigError, with all mistakes, if a text is not a valid config.

    A mistake names the option of `init` that set it: the file is not written.
    """
    try:
        build_checked_config(parse_yaml(text, str(path)))
    except ConfigError as error:
        raise ConfigError(list(dict.fromkeys(map(_of_option, error.mistakes)))) from error


def _of_option(mistake: str) -> str:
    place, _, why = mistake.partition(": ")
    path, _, words = why.partition(": ")
    key = re.sub(r"\[\d+\]", "", path)
    option = next((name for key_of, name in OPTIONS.items() if key.startswith(key_of)), "")
    return f"{option}: {words}" if option and ", line " in place else mistake


@dataclass(frozen=True, kw_only=True)
class FirstConfig:
    """What `jwmirror init` found, and wrote if it was no dry run."""

    config: str  # path of the file
    programs: tuple[ProgramSurvey, ...] = ()  # empty if MAST was not asked
    files: tuple[str, ...] = ()  # of the workflow
    note: str = ""  # why there is no recipe, although one was wanted


def write_first_config(
    answers: ConfigAnswers,
    path: Path,
    *,
    repository: bool = False,
    offline: bool = False,
    dry_run: bool = False,
) -> FirstConfig:
    """Write a config that passes `jwmirror check`, after a look at what MAST has of its programs.

    Where jwst is not installed, it has no recipe.
    `repository`: also write the files of the workflow into the current folder. `offline`: do not
    ask MAST. `dry_run`: write nothing.

    Raises:
        ConfigError: a file exists, an answer is not valid, or nothing at MAST is selected.
        StoreError: the folder of the mirror has other files, or the disk refused.
        ArchiveError: MAST does not answer, or does not know one of the programs.
    """
    files = new_repository_files(Path(), with_config=False) if repository else {}
    if not dry_run:
        check_unwritten([path])
    note = why_not_recalibrating("a recipe") if answers.recipe else ""
    answers = replace(answers, recipe="" if note else answers.recipe)
    check_text(config_text(answers), path)
    check_mirror(Path(answers.mirror))
    selections = selections_of_answers(answers)
    surveys = () if offline else survey_programs(answers.archive, selections)
    if nothing := [survey.program for survey in surveys if survey.is_empty]:
        numbers = ", ".join(map(str, nothing))
        why = "MAST has no file of what is selected; nothing was written; select something else"
        raise ConfigError([f"program {numbers}: {why}"])
    if not dry_run:
        write_repository(files)
        write_new_file(path, config_text(answers, surveys).encode())
    names = tuple(map(str, files))
    return FirstConfig(config=str(path), programs=surveys, files=names, note=note)
