"""What searches found, in words. Pure."""

from collections.abc import Iterable, Iterator, Mapping

from jwmirror.archive.discovery.record import found_selections
from jwmirror.archive.discovery.search import program_words
from jwmirror.archive.selection import select_products
from jwmirror.core.model import Listing
from jwmirror.core.model.search import SearchAnswer
from jwmirror.report.formatting import count, size

NAMED = 10  # programs of one search


def describe_answers(
    answers: Iterable[SearchAnswer], listings: Iterable[Listing]
) -> tuple[str, ...]:
    """Return lines on searches: how many programs, files and bytes, and what is new or missing."""
    by_program = {str(listing.program): listing for listing in listings}
    return tuple(line for answer in answers for line in _lines(answer, by_program))


def _lines(answer: SearchAnswer, listings: Mapping[str, Listing]) -> Iterator[str]:
    place, found = answer.search.place, answer.found
    programs = [program_words(*item) for item in found.items()]
    more = f"; and {len(programs) - NAMED} more" if len(programs) > NAMED else ""
    shown = f": {'; '.join(programs[:NAMED])}{more}" if programs else ""
    files = _files(_selected_sizes(answer, listings))
    yield f"{place} ({answer.search}): {count(len(programs), 'program')}, {files}{shown}"
    if answer.added:
        yield f"{place}: new since the last run: {'; '.join(answer.added)}"
    if answer.missing:
        yield (
            f"{place}: found in an earlier run, and not any more: {'; '.join(answer.missing)}; "
            "this stays selected; `jwmirror search --again` takes it out of the selection"
        )


def _selected_sizes(answer: SearchAnswer, listings: Mapping[str, Listing]) -> dict[str, int | None]:
    """Return the size of each file that a search selects, by URI."""
    return {
        product.uri: product.size
        for selection in found_selections(answer.search, answer.found)
        if (listing := listings.get(str(selection.program)))
        for product in select_products(listing, selection)
    }


def _files(sizes: Mapping[str, int | None]) -> str:
    """Return files and bytes in words."""
    known = size(sum(number or 0 for number in sizes.values()))
    unknown = sum(number is None for number in sizes.values())
    others = f" and {unknown} of unknown size" if unknown else ""
    return f"{count(len(sizes), 'file')}, {known}{others}"


def unmatched_searches(answers: Iterable[SearchAnswer]) -> tuple[str, ...]:
    """Return in words the searches that find nothing."""
    return tuple(
        f"{answer.search.place} ({answer.search}): no observation"
        for answer in answers
        if not (answer.found or answer.doubts)
    )
