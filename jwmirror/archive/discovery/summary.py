"""What searches found, in words. Pure."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from jwmirror.archive.discovery.record import found_selections
from jwmirror.archive.discovery.search import program_words
from jwmirror.archive.selection import select_products, unmatched_criteria
from jwmirror.core.errors import as_typed
from jwmirror.core.model import Listing
from jwmirror.core.model.search import SearchAnswer
from jwmirror.report.formatting import count, size

NAMED = 10  # programs of one search


def describe_answers(
    answers: Iterable[SearchAnswer], listings: Iterable[Listing]
) -> tuple[str, ...]:
    """Return lines on searches: how many programs, files and bytes, and what is new or missing."""
    by_program = _by_program(listings)
    return tuple(line for answer in answers for line in _lines(answer, by_program))


def _by_program(listings: Iterable[Listing]) -> dict[str, Listing]:
    return {str(listing.program): listing for listing in listings}


def _lines(answer: SearchAnswer, listings: Mapping[str, Listing]) -> Iterator[str]:
    place, found = answer.search.place, answer.found
    programs = [program_words(*item) for item in found.items()]
    more = f"; and {len(programs) - NAMED} more" if len(programs) > NAMED else ""
    shown = f": {'; '.join(programs[:NAMED])}{more}" if programs else ""
    unlisted = len(found.keys() - listings.keys())
    of_them = f"{unlisted} of them not listed now" if unlisted else ""
    failed = "a part of the search failed" if answer.doubts else ""
    remark = f" ({'; '.join(filter(None, (of_them, failed)))})" if of_them or failed else ""
    known = f"{count(len(programs), 'program')}{remark}"
    yield f"{place} ({answer.search}): {known}, {_files(_selected_sizes(answer, listings))}{shown}"
    if answer.added:
        yield f"{place}: new since the last run: {'; '.join(answer.added)}"
    if answer.missing:
        yield (
            f"{place}: found in an earlier run, and not any more: {'; '.join(answer.missing)}; "
            f"this stays selected; {as_typed('search --again')} takes it out of the selection"
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


def unmatched_searches(
    answers: Iterable[SearchAnswer], listings: Iterable[Listing]
) -> tuple[str, ...]:
    """Return in words the searches that find nothing, and the criteria that nothing found meets."""
    by_program = _by_program(listings)
    return tuple(
        f"{answer.search.place} ({answer.search}): {words}"
        for answer in answers
        for words in _unmatched(answer, by_program)
    )


def _unmatched(answer: SearchAnswer, listings: Mapping[str, Listing]) -> Iterator[str]:
    """Yield what a search lacks, if everything that it found is known."""
    if not (answer.found or answer.doubts):
        until = "; no file counts as deselected until the next run finds none, too"
        yield f"no observation{'' if answer.is_sure else until}"
    if not answer.found or not answer.found.keys() <= listings.keys():
        return
    criteria = answer.search.criteria
    lacking = [
        set(unmatched_criteria(listings[number], replace(criteria, program=int(number))))
        for number in answer.found
    ]
    if in_all := sorted(set.intersection(*lacking)):
        yield from in_all
    elif not _selected_sizes(answer, listings):
        yield "nothing that it found has all the chosen properties at once"
