"""Terminal pages of `jwmirror whatis` and `jwmirror outdated`. Pure: records in, text out."""

from collections.abc import Iterator, Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from jwmirror.core.errors import as_typed
from jwmirror.core.grouping import group_by
from jwmirror.core.model import UPSTREAM, Entry
from jwmirror.core.model.answers import identification as answers
from jwmirror.core.model.maintenance import FileVersion
from jwmirror.core.model.product import PEDIGREE, Reason
from jwmirror.report import formatting

KINDS = {
    answers.VERSION: "a file of this mirror, byte for byte",
    answers.LISTED: "what MAST listed at the last poll, byte for byte; the mirror does not have it",
    answers.EDITED: "pixels and table values of a file of this mirror, with another header",
    answers.CUT: "cut: it has only the first bytes of a file of this mirror",
    answers.UNKNOWN: "unknown: no version that this mirror can show",
}
STATES = {
    answers.PRESENT: "present version",
    answers.VANISHED: "present version; MAST does not list the file any more",
    answers.NOT_SHOWN: "the current generation has no such file",
}


def identifications_page(found: answers.Identifications, verbose: bool = False) -> RenderableType:
    """Return what each file is, with its versions and what became of them; `verbose`: hashes."""
    parts: list[RenderableType] = []
    for file in found.files:
        parts.append(Text.assemble((file.file, "bold"), f"  {KINDS[file.kind]}"))
        parts += [Text(f"  sha256 {file.sha256}")] if verbose else []
        parts += [Text(f"  {line}") for line in _lines(file, verbose)]
    searched = formatting.count(len(found.searched), "generation")
    note = f"searched: {searched} of {found.mirror}; pruned ones cannot be searched"
    return Group(*parts, Text(note, style="dim"))


def _lines(file: answers.Identification, verbose: bool) -> Iterator[str]:
    if file.listed:
        yield f"{file.listed.uri}{_pedigree_of(file.listed)}"
    for again in group_by(file.known, lambda known: (known.version.path, known.state)).values():
        version = again[-1].version  # of a file that left the view and came back, the last one
        numbers = ", ".join(_generations(known.version) for known in again)
        yield f"{version.path}  (generation {numbers}){_made(version.entry, verbose)}"
        yield f"  {_state(again[-1], verbose)}"
    if file.kind == answers.CUT:
        whole = max(known.version.size for known in file.known)
        yield f"it has {file.size:,} of {whole:,} bytes"
    if file.kind == answers.UNKNOWN:
        yield from _unknown(file, verbose)


def _generations(version: FileVersion) -> str:
    """Return the generations that have a version: 1-3."""
    return "-".join(map(str, dict.fromkeys((version.first, version.last))))


def _state(known: answers.KnownVersion, verbose: bool) -> str:
    """Return what became of a version, and why."""
    why = formatting.why_changed(known.causes, known.content, known.reasons, verbose)
    reasons = "; ".join(why)
    if known.state == answers.NEWER:
        return f"newer than what a rollback shows now; what happened in between: {reasons}"
    if known.state == answers.REPLACED:
        renamed = known.now and known.now.filename != known.version.entry.filename
        by = f" by {known.now.filename}" if known.now and renamed else ""
        return f"replaced{by} in the current generation: {reasons}"
    if known.state == answers.REPLACED_AT_MAST:
        return f"MAST lists another version, which the mirror does not have: {reasons}"
    return STATES[known.state]


def _unknown(file: answers.Identification, verbose: bool) -> Iterator[str]:
    for row in file.namesakes:
        yield f"MAST's file of this name has other bytes: {row.path}{_made(row, verbose)}"
    if file.header:
        facts = ", ".join(f"{name} {value}" for name, value in file.header.items())
        yield f"its header says, unchecked: {facts}"


def _made(entry: Entry, verbose: bool) -> str:
    """Return how a version was made, in a few words."""
    if entry.origin != UPSTREAM:
        key = f", key {entry.key[:12]}" if verbose else ""
        return f", recipe {entry.origin}, {entry.result}{key}"
    return _pedigree_of(entry.product) if entry.product else ", from MAST"


def _pedigree_of(product: object) -> str:
    pairs = ((name, getattr(product, field)) for field, name in PEDIGREE.items())
    return "".join(f", {name} {value}" for name, value in pairs if value)


def outdated_page(
    found: answers.OutdatedFiles, all_lines: bool = False, verbose: bool = False
) -> Group:
    """Return the files that are not as MAST or the mirror has them now, and why."""
    replaced, gone, newer = (
        [_replaced(file, verbose) for file in files]
        for files in (found.replaced, found.gone, found.newer)
    )
    sections = (
        ("Replaced since", replaced),
        ("Not offered any more", gone),
        (f"Newer than generation {found.generation}, which a rollback shows", newer),
        ("With the name of a file of MAST, and unknown bytes", list(map(_other, found.different))),
        ("Cannot be read", [f"{path}: {why}" for path, why in found.unreadable.items()]),
    )
    parts: list[RenderableType] = []
    for title, lines in sections:
        parts += formatting.section(title, lines, all_lines)
    polled = formatting.minute(found.polled_at) if found.polled_at else "no poll on record"
    named = (found.replaced, found.gone, found.newer, found.different, found.unreadable)
    others = found.files - found.present - sum(map(len, named))
    summary = (
        f"{formatting.count(found.files, 'file')} below {found.folder}: {found.present} as in "
        f"generation {found.generation}, {len(found.replaced)} replaced, {others} not of this "
        f"mirror; MAST was asked: {polled}"
    )
    return Group(*parts, Text(summary))


def _replaced(file: answers.Identification, verbose: bool) -> str:
    states = dict.fromkeys(_state(known, verbose) for known in file.known)
    return f"{file.file}: {'; '.join(states)}"


def _other(file: answers.Identification) -> str:
    """Return how an unknown file's header differs from that of its name at MAST."""
    reasons = _joined(file.differs) or "its header has the pedigree of MAST's present file"
    return f"{file.file}: {reasons} ({as_typed(f'whatis {file.file}')} compares its content)"


def _joined(reasons: Sequence[Reason]) -> str:
    return f"by its header {'; '.join(map(str, reasons))}" if reasons else ""
