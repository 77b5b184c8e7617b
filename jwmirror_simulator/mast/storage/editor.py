"""Edits of the archive: publish, reprocess, restamp, withdraw, restrict, release."""

import json
import re
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

from jwmirror_simulator.mast.storage.dates import later, now
from jwmirror_simulator.mast.storage.folder import FIRST_OBSID, Folder, Holding, State
from jwmirror_simulator.mast.storage.headers import groups_of, keywords_of
from jwmirror_simulator.mast.storage.names import ASSOCIATION, parse

INGESTED = "2026-01-02T00:00:00.000"  # default date of published files
RELEASED = "2026-01-03T00:00:00.000"
ROUND = 90.0  # days between one processing and the next

Edit = Callable[[Path], None]  # changes a copy of the file in place


class Editor:
    """The archive's folder with the methods that edit it.

    Every edit is atomic: a reader in any process sees the state before it or after it. Methods
    raise KeyError, naming the file, for a file that the archive does not have.
    """

    def __init__(self, folder: Path):
        self.folder = Folder(folder)

    # ---- looking -----------------------------------------------------------------------------

    def filenames(self) -> list[str]:
        """Return the sorted names of all files on offer."""
        return sorted(self.folder.read().holdings)

    def holding(self, filename: str) -> Holding:
        """Return the record of a file."""
        return _held(self.folder.read(), filename)

    def path(self, filename: str) -> Path:
        """Return the path of the present bytes of a file; do not write to it."""
        return self.folder.version_path(self.holding(filename))

    # ---- editing -----------------------------------------------------------------------------

    def publish(
        self, *paths: Path, ingested: str = INGESTED, released: str = RELEASED
    ) -> list[Holding]:
        """Copy files into the archive; their rows are made from their own headers."""
        with self.folder.editing() as state:
            for path in map(Path, paths):
                state = self._with(state, path, path.name, ingested, released)
            self.folder.write(state)
        return [state.holdings[Path(path).name] for path in paths]

    def reprocess(
        self,
        filename: str,
        source: Path | Edit,
        *,
        date: str | None = None,
        sdp_ver: str | None = None,
        cal_ver: str | None = None,
        crds_ctx: str | None = None,
    ) -> Holding:
        """Replace the bytes of a file and its rows; obsid changes, the release date does not.

        `source` is a file, in which only the keywords given here are changed; or a function that
        edits a copy of the present file, which then also gets a later DATE and the next SDP_VER.
        """
        given = {"DATE": date, "SDP_VER": sdp_ver, "CAL_VER": cal_ver, "CRDS_CTX": crds_ctx}
        keywords = {key: value for key, value in given.items() if value}
        with self.folder.editing() as state, tempfile.TemporaryDirectory() as temporary:
            held, copy = _held(state, filename), Path(temporary) / filename
            if isinstance(source, Path):
                copy.write_bytes(source.read_bytes())
            else:
                copy.write_bytes(self.folder.version_path(held).read_bytes())
                source(copy)
                keywords = _advanced(held) | keywords
            stamp(copy, keywords)
            ingested = later(held.ingested, ROUND)
            state = self._with(state, copy, filename, ingested, held.released)
            if group := held.name.group:
                state = _numbered(state, group)
            self.folder.write(state)
        return state.holdings[filename]

    def restamp(
        self,
        filename: str,
        stamp: str,
        *,
        counter: str | None = None,
        members: Iterable[str] | None = None,
    ) -> str:
        """Give an association a new time stamp (20260401t000000), and so a new name; return it.

        The old name is withdrawn. `counter` changes too if given; `members` names the files that
        the first product keeps, in their order.
        """
        parts = ASSOCIATION.fullmatch(filename)
        if parts is None:
            raise KeyError(f"{filename} is not an association")
        counter = counter or parts["counter"]
        renamed = f"{parts['fileset']}_{stamp}_{parts['type']}_{counter}_asn.json"
        with self.folder.editing() as state, tempfile.TemporaryDirectory() as temporary:
            held, copy = _held(state, filename), Path(temporary) / renamed
            table = json.loads(self.folder.version_path(held).read_text())
            table["version_id"] = stamp
            if members is not None:
                product = table["products"][0]
                known = {member["expname"]: member for member in product["members"]}
                product["members"] = [known[name] for name in members]
            copy.write_text(json.dumps(table, indent=4))
            ingested = later(held.ingested, ROUND)
            state = self._with(_without(state, filename), copy, renamed, ingested, held.released)
            self.folder.write(state)
        return renamed

    def rename(self, filename: str, new: str) -> Holding:
        """Offer the bytes of a file under another name only."""
        with self.folder.editing() as state:
            held = _held(state, filename)
            source, state = self.folder.version_path(held), _without(state, filename)
            state = self._with(state, source, new, later(held.ingested, ROUND), held.released)
            self.folder.write(state)
        return state.holdings[new]

    def withdraw(self, *filenames: str) -> None:
        """Stop offering some files; `restore` undoes this."""
        with self.folder.editing() as state:
            for filename in filenames:
                state = _without(state, filename)
            self.folder.write(state)

    def restore(self, *filenames: str) -> None:
        """Offer withdrawn files again, unchanged."""
        with self.folder.editing() as state:
            holdings, withdrawn = dict(state.holdings), dict(state.withdrawn)
            for filename in filenames:
                holdings[filename] = withdrawn.pop(filename)
            self.folder.write(replace(state, holdings=holdings, withdrawn=withdrawn))

    def restrict(self, filename: str, until: str = "2099-01-01T00:00:00.000") -> None:
        """Make a file exclusive until an ISO date: it is given only with a token."""
        self._change(filename, released=until)

    def release(self, filename: str) -> None:
        """Make an exclusive file public now."""
        self._change(filename, released=now())

    def mark_stale(self, filename: str, stale: bool = True) -> None:
        """Mark a file as queued for reprocessing (isStale)."""
        self._change(filename, stale=stale)

    # ---- parts -------------------------------------------------------------------------------

    def _change(self, filename: str, **changes) -> None:
        """Change fields of one record."""
        with self.folder.editing() as state:
            held = replace(_held(state, filename), **changes)
            self.folder.write(replace(state, holdings={**state.holdings, filename: held}))

    def _with(
        self, state: State, source: Path, filename: str, ingested: str, released: str
    ) -> State:
        """Store the bytes of a file; return the state with its record."""
        name = parse(filename)
        md5, size = self.folder.take(source, filename)
        before = state.holdings.get(filename)
        counter = state.counter if before else state.counter + 1
        former = {filename: before} if before and before.md5 != md5 else {}
        held = Holding(
            filename=filename,
            number=before.number if before else counter,
            md5=md5,
            size=size,
            ingested=ingested,
            released=released,
            keywords=keywords_of(source),
            parents=groups_of(source),
        )
        withdrawn = {k: v for k, v in state.withdrawn.items() if k != filename}
        state = replace(
            state,
            holdings={**state.holdings, filename: held},
            withdrawn=withdrawn,
            former={**state.former, **former},
            counter=counter,
        )
        if not name.group or name.group in state.obsids:
            return state
        return _numbered(state, name.group)


def stamp(path: Path, keywords: dict[str, str]) -> None:
    """Set keywords of a FITS file in place; its size stays if it has these keywords already."""
    if not keywords or path.suffix != ".fits":
        return
    from astropy.io import fits

    with fits.open(path, mode="update", do_not_scale_image_data=True) as hdus:
        hdus[0].header.update(keywords)


def _held(state: State, filename: str) -> Holding:
    """Return the record of a file; KeyError, naming it, without one."""
    if filename not in state.holdings:
        raise KeyError(f"the archive holds no {filename}")
    return state.holdings[filename]


def _without(state: State, filename: str) -> State:
    """Return the state with a file withdrawn."""
    held = _held(state, filename)
    holdings = {k: v for k, v in state.holdings.items() if k != filename}
    return replace(state, holdings=holdings, withdrawn={**state.withdrawn, filename: held})


def _numbered(state: State, group: str) -> State:
    """Return the state with a new obsid for a group of products."""
    counter = state.counter + 1
    obsids = {**state.obsids, group: FIRST_OBSID + counter}
    return replace(state, obsids=obsids, counter=counter)


def _advanced(held: Holding) -> dict[str, str]:
    """Return DATE and SDP_VER of the next processing: 90 days later, the next quarter's build."""
    keywords = held.keywords
    advanced = {}
    if "DATE" in keywords:
        advanced["DATE"] = later(str(keywords["DATE"]), ROUND)
    if build := re.match(r"(\d{4})_(\d)", str(keywords.get("SDP_VER", ""))):
        year, quarter = int(build[1]), int(build[2]) + 1
        advanced["SDP_VER"] = f"{year}_{quarter}a" if quarter < 5 else f"{year + 1}_1a"
    return advanced
