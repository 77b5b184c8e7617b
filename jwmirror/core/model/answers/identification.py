"""Records of what a file outside of the mirror is. The fields are the keys of the JSON."""

from dataclasses import dataclass

from jwmirror.core.model.history.causes import Cause, ContentChange
from jwmirror.core.model.maintenance import FileVersion
from jwmirror.core.model.product import Product, Reason
from jwmirror.core.model.stored import Entry

VERSION, LISTED = "version", "listed"
EDITED, CUT, UNKNOWN = "edited", "cut", "unknown"
PRESENT, REPLACED, REPLACED_AT_MAST = "present", "replaced", "replaced at MAST"
VANISHED, NOT_SHOWN, NEWER = "vanished", "not shown", "newer"


@dataclass(frozen=True, kw_only=True)
class KnownVersion:
    """A version in the mirror, and what became of it."""

    version: FileVersion
    state: str  # one of the six above; newer: a rollback shows an earlier version in its place
    now: Entry | None = None  # the row that the current generation has in its place, if replaced
    listed: Product | None = None  # what MAST lists in its place, and the mirror has not
    reasons: tuple[Reason, ...] = ()  # how what is in its place differs
    causes: tuple[Cause, ...] = ()  # why the mirror has another version, traced to the root
    content: ContentChange | None = None  # how the content differs, of a file of MAST


@dataclass(frozen=True, kw_only=True)
class Identification:
    """What one file is, as far as that is certain.

    A `version` has the bytes of the versions in `known`, and a `listed` file the bytes of what MAST
    lists and the mirror lacks. An `edited` file has their pixels and table values with another
    header, a `cut` one has only their first bytes.
    """

    file: str  # as the user named it
    size: int  # bytes
    sha256: str
    kind: str  # one of the five above
    known: tuple[KnownVersion, ...] = ()
    listed: Product | None = None
    header: dict[str, str]  # what its own header says, which is not checked
    namesakes: tuple[Entry, ...] = ()  # of an unknown file: MAST's present files of its name
    differs: tuple[Reason, ...] = ()  # of an unknown file: its header from what MAST lists of these


@dataclass(frozen=True, kw_only=True)
class Identifications:
    """What some files are."""

    mirror: str
    generation: int  # the current one
    polled_at: str  # ISO, UTC: when MAST was asked last; "" if no poll is on record
    searched: tuple[int, ...]  # generations; pruned ones cannot be searched
    files: tuple[Identification, ...]


@dataclass(frozen=True, kw_only=True)
class OutdatedFiles:
    """The files of a folder that are not as MAST, or the mirror, has them now."""

    mirror: str
    generation: int  # the current one
    polled_at: str  # as in Identifications
    folder: str
    files: int  # all below the folder
    present: int  # of them: versions that are in the current generation, and not replaced
    replaced: tuple[Identification, ...]  # versions that have another one in their place
    gone: tuple[Identification, ...]  # versions that MAST, or the current generation, no longer has
    newer: tuple[Identification, ...]  # versions of later generations than a rollback shows
    different: tuple[Identification, ...]  # no known version, with the name of a file of MAST
    unreadable: dict[str, str]  # path -> why
