"""The upstream files of a mirror, their associations, and the headers of calibration inputs."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from itertools import chain
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from jwmirror.core.errors import CalibrationError, as_typed
from jwmirror.core.files import cached_digest
from jwmirror.core.grouping import group_by
from jwmirror.core.jsonio import digest, receipt_path, remembered
from jwmirror.core.model import (
    Change,
    Entry,
    Failure,
    Poll,
    Recipe,
    Selection,
    SettleResult,
    Version,
)
from jwmirror.core.model.association import (
    UNCAL,
    Association,
    Associations,
    OwnFile,
    root_of,
)
from jwmirror.core.model.plan import Unsettled
from jwmirror.core.model.product import WITHHELD
from jwmirror.core.model.search import ANY_PROGRAM
from jwmirror.pipeline.associations import pool as pools
from jwmirror.pipeline.associations import reading
from jwmirror.pipeline.derivation import engine_versions
from jwmirror.pipeline.identity import (
    WITH_HEADER,
    description_scheme,
    identified_version,
    scheme_text,
)
from jwmirror.pipeline.installed import can_recalibrate
from jwmirror.pipeline.usercode.files import absolute_path
from jwmirror.pipeline.usercode.own_inputs import describe_own_file, unreadable_file
from jwmirror.planning.association_choice import (
    PoolRequest,
    choose_associations,
    own_paths,
    pool_requests,
    with_types,
)
from jwmirror.planning.inputs import raw_exposures, taken_from_upstream
from jwmirror.store.manifest import Entries
from jwmirror.store.objects import Objects
from jwmirror.store.runs import upstream_after

NOTHING: Mapping[str, str] = MappingProxyType({})


class Holdings(NamedTuple):
    """The upstream files of a mirror, their associations, and what MAST has half updated.

    `absent` says why selected files are not in the mirror, by file name. `own` are the files of
    the user that recipes take as inputs, by path.
    """

    entries: tuple[Entry, ...]
    associations: Associations
    unsettled: tuple[Unsettled, ...] = ()
    absent: Mapping[str, str] = NOTHING
    own: Mapping[str, OwnFile] = MappingProxyType({})


def load_holdings(
    mirror: Path,
    poll: Poll,
    settling: SettleResult | None = None,
    recipes: Sequence[Recipe] = (),
    asked: Poll | None = None,
) -> Holdings:
    """Return the holdings after a poll's orders were fetched.

    Files that wait for an unsettled association keep the version that is published. Files that the
    config does not select any more are left out. `asked` is the poll that found what is absent, if
    it is published and another one.
    """
    settling = settling or SettleResult()
    rows = upstream_after(mirror, poll, settling.waiting)
    entries = tuple(entry for entry in rows if not entry.deselected)
    holdings = describe_holdings(mirror, entries, recipes, settling.unsettled)
    return holdings._replace(absent=_absent_files(asked or poll, rows))


def _absent_files(poll: Poll, rows: Entries) -> dict[str, str]:
    """Return why files that a poll found and selected are not in the mirror, by file name."""
    filenames = set(rows.column("product_filename"))
    return {
        change.product.filename: why_absent(change)
        for change in poll.changes
        if change.product.filename not in filenames
    }


def with_left_out(holdings: Holdings, selections: Iterable[Selection]) -> Holdings:
    """Return holdings that know which members of associations `programs` in the config excludes."""
    excluding = group_by((s for s in selections if s.exclude), lambda selection: selection.program)
    if not excluding:
        return holdings
    filenames = {entry.filename for entry in holdings.entries}
    associations = holdings.associations
    left_out: dict[str, str] = {}
    for association in chain(associations.found, *associations.chosen.values()):
        programs = (association.program, ANY_PROGRAM)
        patterns = {p: n for n in programs for s in excluding.get(n, ()) for p in s.exclude}
        for name in _inputs(association) - filenames if patterns else ():
            if pattern := next((p for p in patterns if fnmatchcase(name, p)), ""):
                left_out[name] = _why_left_out(root_of(name), patterns[pattern], pattern)
    return holdings._replace(absent={**left_out, **holdings.absent})


def _inputs(association: Association) -> set[str]:
    """Return the file names of members, and of the raw exposures that they are made from."""
    members = {member.name for member in association.members}
    return members | {f"{root_of(name)}{UNCAL}" for name in members}


def _why_left_out(root: str, program: int, pattern: str) -> str:
    excluding = f"program {program}" if program != ANY_PROGRAM else "a search"
    return (
        f"is not mirrored, because `exclude` of {excluding} ({pattern}) leaves it out; "
        "remove it there, or let the recipe leave it out, too: "
        f'exclude: [{{file: "{root}*", because: ...}}]'
    )


def why_absent(change: Change) -> str:
    """Return why a file that a poll found is not in the mirror, as what follows its name."""
    if change.kind != WITHHELD:
        return f"is listed by MAST, and could not be fetched yet; {as_typed('status')} says why"
    sentences = [reason.what for reason in change.reasons if reason.is_sentence]
    return "is withheld: " + "; ".join(dict.fromkeys([*sentences, change.product.withheld_until]))


def describe_holdings(
    mirror: Path,
    entries: tuple[Entry, ...],
    recipes: Sequence[Recipe],
    unsettled: tuple[Unsettled, ...] = (),
) -> Holdings:
    """Return the entries with the associations that recipes use, and their inputs described.

    Raises:
        CalibrationError: an association file of the user cannot be used.
    """
    own_associations = {recipe.name: _own_associations(recipe) for recipe in recipes}
    own = {
        path: _own_file(mirror, absolute_path(path, Path.cwd()), is_science)
        for path, is_science in own_paths(own_associations, recipes).items()
    }
    typed = {name: with_types(given, entries, own) for name, given in own_associations.items()}
    associations = _associations(mirror, entries, recipes, typed)
    taken = taken_from_upstream(entries, associations, recipes, own)
    wanted = (*taken, *_undescribed(entries, recipes))
    inputs = {entry.path: described_input(mirror, entry) for entry in wanted}
    whole = tuple(inputs.get(entry.path, entry) for entry in entries)
    return Holdings(whole, associations, unsettled, own=own)


def _is_described(entry: Entry) -> bool:
    """Return whether identity and header are known, and read as they would be read now."""
    return bool(entry.identity or entry.refusal) and entry.scheme == description_scheme()


def _undescribed(entries: Sequence[Entry], recipes: Sequence[Recipe]) -> Iterator[Entry]:
    """Yield raw exposures that earlier functions described, or that recipes need described.

    These arrived while jwst was not installed. Without it, none can be read.
    """
    raw = raw_exposures(entries).values() if can_recalibrate() else ()
    scheme = description_scheme()
    for entry in raw:
        is_needed = any(recipe.takes(entry.upstream.program) for recipe in recipes)
        if entry.scheme != scheme or (is_needed and not _is_described(entry)):
            yield entry


def _associations(
    mirror: Path,
    entries: tuple[Entry, ...],
    recipes: Sequence[Recipe],
    own: Mapping[str, Sequence[Association]],
) -> Associations:
    """Return MAST's associations, and those that recipes use instead: `own`, or from pools."""
    archived = reading.read_associations(entries, Objects(mirror).path)
    generated: dict[tuple[str, int], tuple[Association, ...]] = {}
    for request in pool_requests(entries, archived, recipes):
        try:
            generated[request.recipe, request.program] = _generated(mirror, request)
        except CalibrationError as err:
            failure = Failure(name=request.pool.filename, message=str(err))
            archived = replace(archived, broken=(*archived.broken, failure))
    return choose_associations(archived, entries, recipes, generated, own)


def _own_associations(recipe: Recipe) -> list[Association]:
    """Return the associations in a recipe's files."""
    return [
        association
        for name in recipe.associations
        for association in reading.read_own_associations(Path(name))
    ]


def _generated(mirror: Path, request: PoolRequest) -> tuple[Association, ...]:
    """Return the associations that the rules of jwst make of a pool, for selected exposures."""
    pool = request.pool
    parts = (pool.sha256, request.roots, engine_versions()["jwst"])
    scheme = scheme_text(pools.ASSOCIATION_SCHEME)
    return remembered(
        receipt_path(mirror, "associations", digest(parts), scheme),
        tuple[Association, ...],
        lambda: pools.generate_associations(
            Objects(mirror).path(pool.sha256), pool.filename, request.roots
        ),
    )


def _own_file(mirror: Path, path: Path, is_science: bool) -> OwnFile:
    """Return a file of the user, as it is now, with its header if it is a science member."""
    try:
        sha256 = cached_digest(path)
        parts = (sha256, path.name, is_science)
        known = remembered(
            receipt_path(mirror, "own", digest(parts), description_scheme()),
            OwnFile,
            lambda: describe_own_file(path, sha256, is_science),
            is_lasting=lambda file: not file.refusal,
        )
    except OSError as err:
        return unreadable_file(path, err)
    return replace(known, path=str(path))


def described_input(mirror: Path, entry: Entry) -> Entry:
    """Return a row of MAST with identity and header of its file, or the reason to refuse it."""
    product = entry.product
    if product is None or _is_described(entry):
        return entry
    path = Objects(mirror).path(entry.sha256)
    has_header = product.suffix in WITH_HEADER  # images had none in earlier descriptions
    version = remembered(
        receipt_path(mirror, "inputs", entry.sha256, description_scheme()),
        Version,
        lambda: identified_version(product, path, entry.sha256, entry.size),
        is_lasting=lambda version: not version.refusal and (bool(version.header) or not has_header),
    )
    return replace(
        entry,
        identity=version.identity,
        header=version.header,
        refusal=version.refusal,
        scheme=version.scheme,
    )
