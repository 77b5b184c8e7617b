"""Terminal page of `jwmirror init`: what MAST has of programs."""

from collections.abc import Iterator, Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from jwmirror.report.formatting import SHOWN, count, empty_table, size
from jwmirror.report.survey import ProgramSurvey, SurveyedObservation

SOME = 4  # values of a cell


def survey_page(surveys: Sequence[ProgramSurvey], all_lines: bool) -> RenderableType:
    """Return a table of observations for each program, with what is selected of it."""
    return Group(*(part for survey in surveys for part in _program(survey, all_lines)))


def _program(survey: ProgramSurvey, all_lines: bool) -> Iterator[RenderableType]:
    columns = ("observation", "exposure types", "filters", "files", "size", "access")
    table = empty_table(f"Program {survey.program} at MAST", *columns, whole=("observation",))
    for part in survey.observations if all_lines else survey.observations[:SHOWN]:
        cells = (_some(part.exposure_types), _some(part.filters), f"{part.files:,}")
        table.add_row(part.observation, *cells, size(part.bytes), access_words(part))
    yield table
    if not all_lines and (more := len(survey.observations) - SHOWN) > 0:
        yield Text(f"... and {more:,} more; --all lists them", style="dim")
    files, bytes_ = survey.selected
    of_all = f" of {count(survey.files, 'file')}, {size(survey.bytes)}, in the program"
    yield Text(f"Selected: {count(files, 'file')}, {size(bytes_)},{of_all}")
    yield from (Text(f"Not at MAST: {words}") for words in survey.unmatched)
    yield from (Text(f"Not read: {words}") for words in survey.doubts)


def access_words(part: SurveyedObservation) -> str:
    """Return who may read the files of an observation, and from when on all may."""
    if not part.exclusive:
        return "public"
    some = "" if part.exclusive == part.files else f"{part.exclusive:,} of {part.files:,} "
    until = f"until {part.public_from}" if part.public_from else "(no release date at MAST)"
    return f"{some}exclusive {until}"


def _some(values: Sequence[str]) -> str:
    """Return the first values, and how many more there are."""
    more = f" +{len(values) - SOME}" if len(values) > SOME else ""
    return ", ".join(values[:SOME]) + more
