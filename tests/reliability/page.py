"""Run every row on {small, large} x {fresh, resumed} files, and tell it as docs/reliability.md."""

import hashlib
import re
import shutil
import socket
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from jwmirror.archive.transfer import Downloaded, MastDownloader
from jwmirror.core.errors import StoreError
from jwmirror.core.model import Failure
from jwmirror.net.http import Timeouts
from jwmirror.store.objects import Objects
from jwmirror_simulator.mast import Archive, Oddities, faults
from jwmirror_simulator.mast.api.oddities import switches
from jwmirror_simulator.mast.toy_files import toy_fits
from tests.reliability import cluster
from tests.reliability import rows as files_without_rows
from tests.reliability.scenes import ROWS, TIMEOUTS, Scene, lacking
from tests.setup.records import product

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "reliability.md"
NAME = "jw01345001001_02101_00001_nrcb1_rate.fits"
SIZES = {"small": 16, "large": 512}  # pixels along a side: 9 kB, and 530 kB
CASES = [(size, manner) for size in SIZES for manner in ("fresh", "resumed")]

OPENING = """\
# What a bad server can do, and what comes of it

Each row is a test: one thing goes wrong with the simulated archive, the listing or the disk while
one file is fetched; `always` until the client gives up, or `once`. The file is small (10 kB) or
large (500 kB, beyond the size from which interrupted downloads are resumed), fetched afresh, or
after an earlier fetch was cut at half of it. *Wrong* counts published objects that are not, byte
for byte, the version that the listing names, and files anywhere outside the mirror.

After each row the trouble is ended, and one more fetch has to bring the right bytes; where it was
the listing that was wrong, after a right one. The test compares this page with what it finds, so
it is never older than the code; `make reliability` writes it.

An outcome of *fetched (n)* took n requests; *+ resumed* went on from the bytes already there.
"""

SWITCHES = """\
## Switches of the simulated archive

Recorded answers and bug reports contradict MAST's documentation in places, and other details are
not known. The simulated archive has a switch for each. Try them with
`python -m jwmirror_simulator serve --root DIR --oddities keyword_rows=highest etag=random`. The
first value is the default; a switch with a list of values takes them with commas between, and
`odd_cells` takes `size:N/A,fileSize:-1`. [NB] is the notebook SI_keyword_exoplanet_search of
mast_notebooks, with outputs that were recorded on the live service on 2024-05-02; [MQ] is
mastquery's lists of columns of May 2026; names with a number are public issues.

`make torture` tries 200 random combinations: a first run, reprocessing in all ways that there are,
and a second run, in every second case with other switches. Each published file is then the one
that MAST has, or is named as undecided, withheld or waiting, or its instrument is doubted.
`JWMIRROR_TORTURE_SEED` gives other combinations.
"""


@dataclass(frozen=True)
class Outcome:
    """What came of one case."""

    words: str
    message: str
    wrong: int  # objects published that are not the listed version, and files gone astray


@dataclass(frozen=True)
class Row:
    """What came of one thing that goes wrong."""

    name: str
    outcomes: tuple[Outcome, ...]  # in the order of CASES

    @property
    def wrong(self) -> int:
        """Over all cases."""
        return sum(outcome.wrong for outcome in self.outcomes)

    def __str__(self) -> str:
        words = [outcome.words for outcome in self.outcomes]
        messages = [outcome.message for outcome in self.outcomes if outcome.message]
        cells = [self.name, *words, str(self.wrong), messages[0] if messages else ""]
        return f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |"


def page() -> str:
    """The whole page; what this machine cannot play stays as it was."""
    rows = [_former(name) if any(lacking(name)) else str(row(name)) for name in ROWS]
    wrong = sum(int(line.split(" | ")[len(CASES) + 1]) for line in rows)
    head = ["what goes wrong", *(f"{size}, {manner}" for size, manner in CASES)]
    table = [f"| {' | '.join([*head, 'wrong', 'message'])} |", "|---" * (len(head) + 2) + "|"]
    total = f"{len(rows) * len(CASES)} cases; bytes published wrong = {wrong}."
    without_rows = files_without_rows.table(free_port())
    jobs = cluster.section(cluster.lines_of(PAGE.read_text()))  # measured separately
    sections = [without_rows, "", jobs, "", SWITCHES, *switch_rows()]
    parts = [OPENING, *table, *rows, "", total, "", *sections]
    return "\n".join(parts) + "\n"


def free_port() -> int:
    """Return a port on loopback that no process uses."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def switch_rows() -> list[str]:
    """The table of the archive's switches."""
    head = ["| switch | values | what the archive does | source |", "|---|---|---|---|"]
    return head + [f"| {' | '.join(cells)} |" for cells in switches()]


def _former(name: str) -> str:
    """The line that the page has for a row."""
    return next(line for line in PAGE.read_text().splitlines() if line.startswith(f"| {name} |"))


def row(name: str) -> Row:
    """Play one thing that goes wrong in all cases."""
    return Row(name, tuple(_outcome(name, *case) for case in CASES))


@cache
def _file(size: str) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        return toy_fits(Path(folder), NAME, pixels=SIZES[size]).read_bytes()


def _outcome(name: str, size: str, manner: str) -> Outcome:
    with _scene(size) as scene:
        if manner == "resumed":
            _leave_half(scene)
        ROWS[name](scene)
        asked = len(scene.archive.requests)
        with scene.around:
            found = _fetch(scene, scene.timeouts)
        requests = scene.archive.requests[asked:]
        wrong = _publish(scene, found)
        _recover(scene, size)
        stray = _astray(scene)
    if isinstance(found, Downloaded):
        whole = any(each.status == 200 and each.sent == found.size for each in requests)
        in_part = any(each.status == 206 for each in requests)
        resumed = " + resumed" if in_part and not whole else ""
        if name.startswith(
            ("reset", "silence", "slow")
        ):  # how much came before is a matter of chance
            return Outcome("fetched", "", wrong + stray)
        return Outcome(f"fetched ({len(requests)}){resumed}", "", wrong + stray)
    return Outcome("refused", _plain(found.message, scene), wrong + stray)


@contextmanager
def _scene(size: str) -> Iterator[Scene]:
    """A served archive with one file; its folder is removed afterwards."""
    root = Path(tempfile.mkdtemp())
    try:
        file = root / NAME
        file.write_bytes(_file(size))
        into = root / "mirror" / "objects" / "incoming" / "fetch"
        into.mkdir(parents=True)
        with Archive(root / "archive") as archive:
            archive.publish(file)
            yield Scene(archive=archive, product=product(NAME, _file(size)), into=into)
    finally:
        shutil.rmtree(root)


def _leave_half(scene: Scene) -> None:
    """A fetch that is cut at half of the file, and gives up at once."""
    scene.fault(faults.truncate_after(scene.half))
    _fetch(scene, Timeouts(bodies=1, backoff_s=0.0, keep_from=TIMEOUTS.keep_from))
    scene.archive.clear_faults()


def _fetch(scene: Scene, timeouts: Timeouts) -> Downloaded | Failure:
    """Fetch the product; a refusal of the disk counts as a failure, as it does for the run."""
    before = threading.active_count()
    transfer = MastDownloader(scene.archive.url, timeouts=timeouts)
    mirror = scene.into.parents[2]
    try:
        (found,) = transfer.download([scene.product], scene.into, mirror / "quarantine")
    except StoreError as err:
        found = Failure(name=NAME, message=str(err))
    ours = [t for t in threading.enumerate() if t.name.startswith("download-")]
    assert not ours, f"threads left behind: {ours}, {before} before"
    return found


def _publish(scene: Scene, found: Downloaded | Failure) -> int:
    """Take what was fetched into the store; how many objects are not what was listed."""
    objects = Objects(scene.into.parents[2])
    if isinstance(found, Downloaded):
        objects.add(found.path, found.sha256)
    published = [path.read_bytes() for path in objects.folder.glob("[0-9a-f][0-9a-f]/*")]
    listed = scene.product.checksum
    return sum(hashlib.md5(data, usedforsecurity=False).hexdigest() != listed for data in published)


def _recover(scene: Scene, size: str) -> None:
    """End the trouble; one more fetch of what is there now has to bring it, byte for byte."""
    scene.archive.clear_faults()
    scene.archive.oddities = Oddities()
    if scene.archive.holding(NAME).released.startswith("2099"):
        scene.archive.release(NAME)
    truth = scene.archive.path(NAME).read_bytes()
    scene.product = product(NAME, truth)
    found = _fetch(scene, TIMEOUTS)
    assert isinstance(found, Downloaded), found
    assert found.path.read_bytes() == truth, "the next fetch brought other bytes"


def _astray(scene: Scene) -> int:
    """Files that are neither in the mirror nor ours."""
    root = scene.into.parents[3]
    known = {"archive", "mirror", NAME, "key.pem", "certificate.pem"}
    return sum(path.name not in known for path in root.iterdir())


def _plain(message: str, scene: Scene) -> str:
    """A message without what differs from run to run."""
    for found, plain in [
        (str(scene.into.parents[2]), "MIRROR"),
        (re.escape(NAME), "FILE"),
        (r"127\.0\.0\.1:\d+", "HOST"),
        (r"port=\d+", "port=N"),
        (r"host='127\.0\.0\.1'", "HOST"),
        (r"<[\w.]+[^>]* at 0x[0-9a-f]+>", "CONNECTION"),
        (r" ?\(_ssl\.c:\d+\)", ""),
        (r"\b(?=[0-9a-f]*[a-f])[0-9a-f]{12,}\b", "HASH"),
        (r"\b[0-9a-f]{32}\b", "HASH"),
        (r"(Failed to resolve '[^']*') \([^)]*\)", r"\1 (no such name)"),
        (r"self.signed", "self-signed"),
        (r"in \d+(\.\d+)? s", "in N s"),
        (r"\d+ bytes in N s", "N bytes in N s"),
        (r"[^\s']*\.part", "FILE.part"),
        (r"\s+", " "),
    ]:
        message = re.sub(found, plain, message)
    return message
