"""A table of what polls find out about a file whose row at MAST may be missing.

Each case mirrors one exposure of the simulated archive, changes its rate file in one way, and polls
and fetches again; nothing else of a run takes part, so a case takes a second.
"""

import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from itertools import product as combinations
from pathlib import Path

from jwmirror.archive.doubts import VanishPolicy
from jwmirror.archive.evidence.server import Recheck
from jwmirror.archive.poll import group_into_orders, poll
from jwmirror.archive.transfer import Downloaded, MastDownloader
from jwmirror.core.files import sha256_of
from jwmirror.core.model import Entry, Poll, Selection, Version
from jwmirror.core.model.stored import PRESENT
from jwmirror.store.entries import upstream_entries
from jwmirror_simulator.mast import Archive, Oddities
from jwmirror_simulator.mast.toy_files import toy_fits

EXPOSURE = "jw01345001001_02101_00001_nrcb1"
UNCAL, RATE, CAL = (f"{EXPOSURE}_{suffix}.fits" for suffix in ("uncal", "rate", "cal"))
URI = f"mast:JWST/product/{RATE}"
ROWS = ("all", "highest", "none")
ETAGS = ("strong", "weak", "none", "random", "replicas", "constant")
VARIANTS = tuple(combinations((True, False), (True, False)))  # rows missing from the first run on?
# ...and is the calibrated file mirrored, too?
KEYWORDS = ("detector", "filter", "exp_type", "date_obs", "instrument", "release_date")
AGAIN = 3  # polls without any change
LARGE = 10**9  # bytes: more than all files

OPENING = """\
## Files without a row

MAST's keyword tables have the checksums of files. Recordings of the live service show tables with
rows of the highest level of each exposure only, so that the rows of raw and rate files disappear
when the calibrated file appears. A file without a row is compared by its size and CAL_VER, by the
rows of its siblings (the other files of its exposure), and by the server's ETag
([0033](decisions/0033-files-without-a-row.md)).

Each cell is four cases: rows missing from the first run on, or only later; the calibrated file
mirrored, too, or not. In each case a rate file is mirrored, changed at the archive, and polled and
fetched again. *Found*: the mirror has the new bytes. *Same*: it has no new version of a file that
did not change. *Undecided*: it has the former bytes, and counts the file among the undecided ones;
`archive.recheck_gb_per_run` then finds the change. *Wrong*, which must not happen: the mirror has
the former bytes and does not say so; a file is fetched more than once more though nothing changes;
a keyword or a file of the first run is lost; or what was undecided is not found when the file is
read again. `make reliability` tries all cases and writes this table; a test tries some of them.
"""


@dataclass
class Mirror:
    """The rows of a mirror's manifest, kept in memory, and what its polls could not decide."""

    archive: Archive
    folder: Path
    selection: Selection
    entries: tuple[Entry, ...] = ()
    fetched: list[Version] = field(default_factory=list)
    undecided: Mapping[str, str] = field(default_factory=dict)
    generation: int = 0

    @property
    def rate(self) -> Entry:
        """The row of the rate file."""
        return next(entry for entry in self.entries if entry.upstream.uri == URI)

    def run(self, recheck: int = 0) -> Poll:
        """Poll, fetch and publish; the archive's programs may lack all their rows."""
        polled = poll(
            self.archive.url,
            [self.selection],
            self.entries,
            None,
            downloads=1,  # so that requests, and the answers of replicas, come in one order
            policy=VanishPolicy(accepted=(1345,)),
            recheck=Recheck(self.undecided, recheck, self.generation),
        )
        orders = group_into_orders(polled, self.fetched)
        wanted = [product for products in orders.products.values() for product in products]
        downloads = MastDownloader(self.archive.url, downloads=1).download(
            wanted, self.folder, self.folder
        )
        for file in downloads:
            assert isinstance(file, Downloaded), file
            file.path.unlink()
            version = Version(product=file.product, sha256=file.sha256, size=file.size)
            self.fetched.append(replace(version, md5=file.md5, etag=file.etag))
        after = upstream_entries(self.entries, polled, self.fetched)
        self.generation += after != self.entries
        self.entries, self.undecided = after, polled.undecided
        return polled


# ---- what changes at the archive -------------------------------------------------------------


def _other_bytes(path: Path) -> None:
    """Change a pixel."""
    content = bytearray(path.read_bytes())
    content[-1000] ^= 1
    path.write_bytes(content)


def _more_bytes(path: Path) -> None:
    """Add an image."""
    from astropy.io import fits

    with fits.open(path, mode="append") as hdus:
        hdus.append(fits.ImageHDU(name="MORE"))


def _nothing(path: Path) -> None:
    """Leave the bytes as they are; the archive gives the file another DATE."""


def _no_change(archive: Archive) -> None:
    """Leave all as it is."""


def _new_bytes(archive: Archive) -> None:
    archive.reprocess(RATE, _other_bytes)


def _new_size(archive: Archive) -> None:
    archive.reprocess(RATE, _more_bytes)


def _new_cal_ver(archive: Archive) -> None:
    archive.reprocess(RATE, _other_bytes, cal_ver="1.21.0")


def _sibling_only(archive: Archive) -> None:
    archive.reprocess(CAL, _nothing)


def _with_sibling(archive: Archive) -> None:
    archive.reprocess(RATE, _other_bytes)
    archive.reprocess(CAL, _nothing)


KINDS = {
    "none": _no_change,
    "new bytes, same size and CAL_VER": _new_bytes,
    "new size": _new_size,
    "new CAL_VER": _new_cal_ver,
    "a sibling is new": _sibling_only,
    "new bytes, and a sibling is new": _with_sibling,
    "restored older": _with_sibling,  # and back to the first bytes
}


# ---- the cases -------------------------------------------------------------------------------


def outcome(
    archive: Archive, folder: Path, kind: str, rows: str, etag: str, variant: tuple[bool, bool]
) -> str:
    """Return what comes of one case: found, same or undecided; else what is wrong."""
    is_from_start, is_cal_mirrored = variant
    suffixes = ("uncal", "rate", *(["cal"] if is_cal_mirrored else []))
    selection = Selection(program=1345, filters=("F200W",), products=suffixes)
    archive.oddities = Oddities(keyword_rows=rows if is_from_start else "all", etag=etag)
    mirror = Mirror(archive, folder, selection)
    mirror.run()
    first = mirror.rate
    archive.oddities = Oddities(keyword_rows=rows, etag=etag)
    mirror.run()
    original = folder / RATE
    original.write_bytes(archive.path(RATE).read_bytes())
    KINDS[kind](archive)
    mirror.run()
    if kind == "restored older":
        archive.reprocess(RATE, original)
        archive.reprocess(CAL, _nothing)
        mirror.run()
    return _judged(mirror, first, has_changed=kind not in ("none", "a sibling is new"))


def _judged(mirror: Mirror, first: Entry, has_changed: bool) -> str:
    """Return the outcome for the rate file; the mirror is polled again for it."""
    expected = sha256_of(mirror.archive.path(RATE))
    is_right, is_undecided = mirror.rate.sha256 == expected, URI in mirror.undecided
    if not is_right and not is_undecided:
        return "wrong: former bytes"
    again = [change.product.uri for _ in range(AGAIN) for change in mirror.run().changes]
    if again.count(URI) > 1:
        return "wrong: fetched again and again"
    mirror.run(recheck=LARGE)
    rate = mirror.rate
    if rate.sha256 != expected:
        return "wrong: not found by reading it again"
    lost = [key for key in KEYWORDS if getattr(rate.upstream, key) != getattr(first.upstream, key)]
    if lost or rate.state != PRESENT or rate.deselected or rate.upstream.checksum is None:
        return f"wrong: lost {lost}"
    if not is_right:
        return "undecided"
    return "found" if has_changed else "same"


def cases(
    port: int,
    kinds: Iterable[str] = tuple(KINDS),
    variants: Iterable[tuple[bool, bool]] = VARIANTS,
) -> Iterator[tuple[str, str, str, str]]:
    """Yield kind, rows, ETags and outcome of each case."""
    for kind, rows, etag in combinations(kinds, ROWS, ETAGS):
        for variant in variants:
            with tempfile.TemporaryDirectory() as name, Archive(Path(name) / "a", port) as archive:
                archive.publish(*exposure())
                yield kind, rows, etag, outcome(archive, Path(name), kind, rows, etag, variant)


@cache
def exposure() -> tuple[Path, ...]:
    """Return the files of one exposure; they are removed at the end of the process."""
    folder = Path(tempfile.mkdtemp(prefix="exposure."))
    return tuple(toy_fits(folder, name, seed=seed) for seed, name in enumerate((UNCAL, RATE, CAL)))


# ---- the table -------------------------------------------------------------------------------


def table(port: int) -> str:
    """Return the section of docs/reliability.md, after a trial of each case."""
    cells: dict[tuple[str, str], dict[str, Counter[str]]] = {}
    for kind, rows, etag, word in cases(port):
        row = cells.setdefault((kind, rows), {name: Counter() for name in ETAGS})
        row[etag][word] += 1
    lines = [
        f"| change | rows | {' | '.join(ETAGS)} |",
        "|---" * (2 + len(ETAGS)) + "|",
        *(
            f"| {kind} | {rows} | {' | '.join(_cell(row[etag]) for etag in ETAGS)} |"
            for (kind, rows), row in cells.items()
        ),
    ]
    counts = sum((count for row in cells.values() for count in row.values()), Counter())
    wrong = sum(number for word, number in counts.items() if word.startswith("wrong"))
    undecided, cases_in_all = counts["undecided"], sum(counts.values())
    right = cases_in_all - undecided - wrong
    total = f"{cases_in_all} cases: {right} right, {undecided} undecided; wrong = {wrong}."
    return "\n".join((OPENING, *lines, "", total))


def _cell(count: Counter[str]) -> str:
    """Return the outcomes of a cell, with numbers if they differ."""
    if len(count) == 1:
        return next(iter(count))
    return ", ".join(f"{number} {word}" for word, number in sorted(count.items()))
