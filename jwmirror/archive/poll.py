"""The poll: list the selected programs at MAST, compare them with the mirror, order downloads."""

import gc
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from itertools import groupby
from typing import NamedTuple

from jwmirror.archive.changes import compare_listing, with_rejection
from jwmirror.archive.client import MastClient, ProgramTask, selected_uris, with_token_needs
from jwmirror.archive.deselection import Marks, deselection_marks, marks_without_selection
from jwmirror.archive.doubts import (
    VanishPolicy,
    believed_listing,
    doubts_without_rows,
    undoubted,
    vanish_doubts,
    without_vanished,
)
from jwmirror.archive.events import limit_poll, merge_part, no_longer_listed
from jwmirror.archive.evidence.server import FileAnswers, FileServer, Recheck, ask_about
from jwmirror.archive.evidence.signs import (
    HeldFiles,
    confirmed_products,
    files_without_checksum,
    undecided_files,
)
from jwmirror.archive.index import HeldIndex
from jwmirror.archive.selection import scope_to_query, unmatched_criteria
from jwmirror.archive.tables.login import accepted_token
from jwmirror.archive.tables.queries import Queries
from jwmirror.core import model
from jwmirror.core.errors import ArchiveError
from jwmirror.core.grouping import group_by
from jwmirror.core.model import (
    Change,
    Doubt,
    Entry,
    Listing,
    Orders,
    Poll,
    Scope,
    Selection,
)
from jwmirror.core.model import product as kinds
from jwmirror.core.model.product import covered_by
from jwmirror.net.http import TOKEN_VARIABLE
from jwmirror.store.manifest import Entries, entries_of
from jwmirror.store.runs import order_group

NAME_DIGITS = 16  # of the digest in an order's name
SHORT = 8  # characters of a checksum in the log

log = logging.getLogger(__name__)


def poll(
    url: str,
    selections: Sequence[Selection],
    entries: Iterable[Entry],
    token: str | None,
    downloads: int,
    policy: VanishPolicy | None = None,
    hints: Iterable[Scope] = (),
    former: Mapping[int, Listing] | None = None,
    last_checked: Callable[[int], str] = lambda program: "",
    token_variable: str = TOKEN_VARIABLE,
    recheck: Recheck | None = None,
) -> Poll:
    """Query the server at `url` for each program of the selections.

    Several selections of one program add up. If `hints` name some of what is selected, only that
    is queried, and merged into the program's `former` listing; a program without one, or without
    files in the mirror, is queried as a whole. `last_checked` returns the time of a program's poll
    before this one. A program that cannot be read is a doubt; ArchiveError if all are. A token that
    MAST rejects is not used; `token_variable` is its name in the environment. `recheck` is what
    earlier polls could not decide.
    """
    accepted = accepted_token(url, token, token_variable)
    limited = limit_poll(selections, hints)
    ordered = sorted(
        (selection for selection in selections if not limited or selection.program in limited),
        key=lambda selection: selection.program,
    )
    recheck, rows = recheck or Recheck(), entries_of(entries)
    tasks = [
        _task(program, tuple(some), rows, limited, former or {}, last_checked, recheck)
        for program, some in groupby(ordered, key=lambda selection: selection.program)
    ]
    removed = _marks_of_removed_programs(selections, rows, last_checked)
    rows.forget()  # they take memory, and the tasks have what is needed
    files = FileServer(url=url, token=accepted, downloads=downloads, recheck=recheck)
    with gc_paused(), Queries(url, accepted) as queries:
        client = MastClient(queries=queries, files=files, is_token_rejected=accepted != token)
        polls = [
            _poll_or_doubt(client, task, answer, policy or VanishPolicy())
            for task, answer in client.answers(tasks)
        ]
    _check_that_some_succeeded(polls)
    polls.append(Poll(listings=(), changes=(), deselected=removed))
    kinds, rejected = tuple(sorted(files.etag_kinds)), token_variable * (accepted != token)
    return replace(_joined(polls, bool(limited)), etag_kinds=kinds, rejected_token=rejected)


def _task(
    program: int,
    selections: tuple[Selection, ...],
    entries: Entries,
    limited: Mapping[int, tuple[str, ...]],
    former: Mapping[int, Listing],
    last_checked: Callable[[int], str],
    recheck: Recheck,
) -> ProgramTask:
    held = HeldIndex(entries, program, recheck.generation)
    scope = scope_to_query(program, selections, held.parts())
    listing = former.get(program)
    is_known = listing and listing.scope in (None, scope)
    return ProgramTask(
        program=program,
        selections=selections,
        held=held,
        scope=scope,
        only=limited.get(program, ()) if held and is_known else (),
        former=listing,
        last_checked=partial(last_checked, program),
    )


def _poll_or_doubt(
    client: MastClient, task: ProgramTask, answer: Future[Listing], policy: VanishPolicy
) -> Poll:
    """Return the poll of one program; one with a doubt of all of it, if it cannot be read."""
    try:
        return _poll_program(client, task, answer.result(), policy)
    except ArchiveError as error:
        log.warning("program %d: %s", task.program, error)
        doubt = Doubt(program=task.program, why=str(error))
        scope = Scope(program=task.program, observations=task.only)
        return Poll(listings=(), changes=(), doubts=(doubt,), limited_to=(scope,))


def _check_that_some_succeeded(polls: Sequence[Poll]) -> None:
    """Raise ArchiveError if no program could be read."""
    if polls and not any(each.listings for each in polls):
        more = f" None of the {len(polls)} programs could be read." if len(polls) > 1 else ""
        raise ArchiveError(f"{polls[0].doubts[0].why}{more}")


def _joined(polls: Iterable[Poll], is_limited: bool) -> Poll:
    """Return the polls of several programs as one."""
    polls = tuple(polls)
    return Poll(
        listings=tuple(listing for each in polls for listing in each.listings),
        changes=tuple(change for each in polls for change in each.changes),
        unmatched=tuple(words for each in polls for words in each.unmatched),
        first=tuple(program for each in polls for program in each.first),
        limited_to=tuple(scope for each in polls for scope in each.limited_to if is_limited),
        doubts=tuple(doubt for each in polls for doubt in each.doubts),
        deselected={uri: mark for each in polls for uri, mark in each.deselected.items()},
        confirmed=tuple(product for each in polls for product in each.confirmed),
        undecided={uri: since for each in polls for uri, since in each.undecided.items()},
    )


@contextmanager
def gc_paused() -> Iterator[None]:
    """Disable the cyclic garbage collector: it would scan all of the many, acyclic records."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _needing_token(held: HeldIndex, part: Listing) -> set[str]:
    """Return the URIs that need the token: by the answer of MAST in `part`, else by the mirror."""
    asked = {product.uri: product.needs_token for product in part.products}
    return {
        *(uri for uri, needs_token in asked.items() if needs_token),
        *(held.needing_token() - asked.keys()),
    }


def _poll_program(
    client: MastClient, task: ProgramTask, answer: Listing, policy: VanishPolicy
) -> Poll:
    """Return the poll of one program, without changes that a doubt covers.

    `limited_to` has no observations if all were queried. A file is taken for vanished only if it is
    in no list of products of the program, and all of them could be read.
    """
    only, held = task.only, task.held
    listing, uris = client.completed(task, answer)
    if task.former and only:
        if merged := _merged(task.former, listing, only):
            listing = with_token_needs(merged, _needing_token(held, listing))
            uris = selected_uris(listing, task.selections)
        else:
            only, answer = (), client.ask(task, scope=task.scope)
            listing, uris = client.completed(task, answer)
    marks = deselection_marks(held, listing, uris, task.selections, task.last_checked)
    held.mark(marks)
    compared = _compare(client, listing, answer, uris, held, policy)
    if listing.scope and any(change.kind == kinds.VANISHED for change in compared.changes):
        log.info("program %d: files are not listed any more; asking for all of it", task.program)
        only, answer = (), client.ask(task)
        listing, uris = client.completed(task, answer)
        compared = _compare(client, listing, answer, uris, held, policy)
    unread, changes = compared.unread, compared.changes
    if not all(doubt.instrument or doubt.filename for doubt in unread):
        changes = without_vanished(changes)
    doubts = (*unread, *vanish_doubts(listing, changes, held, policy))
    result = Poll(
        listings=(believed_listing(listing, doubts, held),),
        changes=undoubted(changes, doubts, held),
        unmatched=tuple(
            f"program {task.program}, {words}"
            for selection in task.selections
            if not selection.is_found
            for words in unmatched_criteria(listing, selection)
        ),
        first=() if held else (task.program,),
        limited_to=(Scope(program=task.program, observations=only),),
        doubts=doubts,
        deselected=marks,
    )
    result = _with_evidence(result, compared, held, client.files.recheck)
    _log(result, listing, len(uris))
    return result


class ComparedListing(NamedTuple):
    """How a listing differs from the mirror, and what of it is not believed."""

    unread: tuple[Doubt, ...]
    changes: tuple[Change, ...]
    files: HeldFiles  # without a checksum in the listing
    answers: FileAnswers


def _compare(
    client: MastClient,
    listing: Listing,
    answer: Listing,
    uris: set[str],
    held: HeldIndex,
    policy: VanishPolicy,
) -> ComparedListing:
    """Compare a listing with the mirror; the server is asked about files without a checksum.

    `answer` is what MAST said in this poll, without the former listing.
    """
    unread = (*listing.doubts, *doubts_without_rows(answer, held, policy))
    files = files_without_checksum(believed_listing(listing, unread, held), uris, held)
    answers = ask_about(files, listing, held, client.files)
    changes = compare_listing(listing, uris, held, bool(client.files.token), answers.validators)
    if client.is_token_rejected:
        changes = with_rejection(changes)
    return ComparedListing(unread, undoubted(changes, unread, held), files, answers)


def _with_evidence(
    poll: Poll, compared: ComparedListing, held: HeldIndex, recheck: Recheck
) -> Poll:
    """Return a program's poll with the files that did not change, and those that may have."""
    (listing,), is_doubted = poll.listings, covered_by(poll.doubts)
    doubted = [product.uri for product in listing.products if is_doubted(product)]
    changed = {change.product.uri for change in poll.changes}
    files = [(product, row) for product, row in compared.files if not is_doubted(product)]
    validators, proved = compared.answers.validators, compared.answers.proved
    decided = {change.product.uri for change in poll.changes if change.kind != kinds.RELEASED}
    return replace(
        poll,
        confirmed=confirmed_products(files, held, validators, changed),
        undecided=undecided_files(
            files, decided | proved, recheck.undecided, listing.asked_at, doubted
        ),
    )


def _marks_of_removed_programs(
    selections: Iterable[Selection], entries: Entries, last_checked: Callable[[int], str]
) -> Marks:
    """Return the marks of files of programs that no selection names any more."""
    marks: Marks = {}
    for program in sorted(entries.by_program.keys() - {each.program for each in selections}):
        held = HeldIndex(entries, program)
        new = marks_without_selection(held, partial(last_checked, program))
        _log_marks(program, new)
        marks |= new
    return marks


def _log_marks(program: int, marks: Marks) -> None:
    """Log which files are not selected any more, and how many are again."""
    times = sorted(filter(None, marks.values()))
    if times:
        words = "program %d: %d files are no longer selected, and were last checked on %s"
        log.info(words, program, len(times), times[0][:10])
    if len(times) < len(marks):
        log.info("program %d: %d files are selected again", program, len(marks) - len(times))


def _merged(former: Listing, part: Listing, only: Sequence[str]) -> Listing | None:
    """Return a program's listing with some observations updated; None if that may miss changes."""
    absent = no_longer_listed(former, part, only)
    if not absent:
        return merge_part(former, part, only)
    log.info(
        "program %d: %s and %d more are not listed with their observation any more; asking for "
        "the whole program",
        former.program,
        absent[0].filename,
        len(absent) - 1,
    )
    return None


def _log(result: Poll, listing: Listing, selected: int) -> None:
    """Log a program's poll; the first has no history, so its new products are only counted."""
    log.info(
        "program %d: %d products listed, %d selected, %d changes%s",
        listing.program,
        len(listing.products),
        selected,
        len(result.changes),
        " (first poll)" if result.first else "",
    )
    for change in result.changes:
        if not (result.first and change.kind == kinds.NEW):
            log.info("%s", describe_change(change))
    _log_marks(listing.program, result.deselected)
    for words in result.unmatched:
        log.warning("%s: MAST lists no such product; see the keys in config/README.md", words)
    for doubt in result.doubts:
        log.warning("%s", doubt)


def describe_change(change: Change) -> str:
    """Return one line for people: what happened to which file, and why."""
    reasons = ", ".join(
        reason.what
        if reason.is_sentence
        else f"{reason.what} {_shortened(reason.old)} -> {_shortened(reason.new)}"
        for reason in change.reasons
    )
    return f"{change.kind} {change.product.filename}{': ' if reasons else ''}{reasons}"


def _shortened(value: str) -> str:
    """Return a value as people see it: checksums are cut short."""
    bare = value.removeprefix("sha256:").strip('"')
    is_checksum = len(bare) >= 32 and all(letter in "0123456789abcdef" for letter in bare)
    return f"{bare[:SHORT]}.." if is_checksum else value or "-"


def group_into_orders(poll: Poll, fetched: Iterable[model.Version]) -> Orders:
    """Return one order per observation: jw01345-o001.<digest> -> its products, sorted by URI.

    The digest covers the time of the query, so that failed products get a new order in the next
    run. `fetched` are versions that earlier runs downloaded; they are read only if needed.
    """
    wanted = [change.product for change in poll.changes if change.wants_bytes]
    if not wanted:
        return Orders()
    arrived = {(v.product.uri, fingerprint) for v in fetched for fingerprint in v.fingerprints}
    missing = [each for each in wanted if (each.uri, each.fingerprint) not in arrived]
    missing.sort(key=lambda product: product.uri)
    grouped = group_by(missing, order_group)
    asked = [listing.asked_at for listing in poll.listings]
    orders = {
        f"{name}.{model.digest((asked, products))[:NAME_DIGITS]}": tuple(products)
        for name, products in sorted(grouped.items())
    }
    held = {change.product.uri: change.held for change in poll.changes if change.held}
    return Orders(products=orders, held=held)
