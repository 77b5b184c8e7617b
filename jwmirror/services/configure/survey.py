"""What MAST has of programs, for a config that is about to be written."""

from collections.abc import Sequence

from jwmirror.archive.listing import query_listing
from jwmirror.archive.selection import select_products, unmatched_criteria
from jwmirror.archive.tables.queries import Queries
from jwmirror.core.errors import UnknownProgramError
from jwmirror.core.model import Selection
from jwmirror.report.survey import ProgramSurvey, survey_of


def survey_programs(url: str, selections: Sequence[Selection]) -> tuple[ProgramSurvey, ...]:
    """Return what the server at `url` has of the programs of some selections, one per program.

    Raises:
        ArchiveError: MAST does not answer, or does not know one of the programs.
    """
    surveys = []
    with Queries(url) as queries:
        for selection in selections:
            try:
                listing = query_listing(queries, selection.program)
            except UnknownProgramError as err:
                raise UnknownProgramError(
                    f"MAST at {url} knows no JWST program {selection.program}; nothing was "
                    "written; correct its number."
                ) from err
            unmatched = unmatched_criteria(listing, selection)
            surveys.append(survey_of(listing, select_products(listing, selection), unmatched))
    return tuple(surveys)
