"""The report: one file that needs nothing else, and says what happened and why."""

import base64
import hashlib
import html
import io
import re
import shutil
import subprocess
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from jwmirror.core.errors import StoreError
from jwmirror.core.model import Doubt, Entry, Failure, Poll, write
from jwmirror.report import formatting, plots
from jwmirror.report.formatting import empty_table
from jwmirror.report.history import build_history
from jwmirror.report.html import write_page
from jwmirror.report.status import count_files
from jwmirror.store.generations import Generations
from jwmirror.store.provenance import Provenance
from jwmirror.store.runs import last_run
from tests.conftest import need

EXPOSURE = "jw01345001001_02101_00001_nrcb1"
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
MOSAIC = "jw01345-o001_t001_nircam_clear-f200w-sub160"


class Text(HTMLParser):
    """The words of a page, and the addresses that it refers to."""

    def __init__(self, page: str):
        super().__init__()
        self.words, self.addresses = [], []
        self.feed(page)

    def handle_starttag(self, tag: str, attributes: list) -> None:
        """Remember what the page would load."""
        self.addresses += [value for name, value in attributes if name in ("src", "href")]

    def handle_data(self, data: str) -> None:
        """Remember the words, with single spaces."""
        self.words += data.split()


def report_of(mirror) -> str:
    """The report on the small mirror's current generation and last run."""
    generations = Generations(mirror.root)
    generation = generations.current()
    path = mirror.root / "reports" / "000001.html"
    write_page(
        path,
        generation,
        generation.entries(),
        last_run(mirror.root),
        Provenance(mirror.root).read,
        generations.objects.path,
        is_closed=bool(generations.access().closed(generation.entries())),
    )
    return path.read_text()


def test_report_shows_what_happened_and_why(small_mirror):
    """Changes, results, parameters, references, waits and failures are all in the page."""
    text = " ".join(Text(report_of(small_mirror)).words)

    for line in (
        f"reprocessed {EXPOSURE}_uncal.fits checksum changed CAL_VER: 1.17.1 -> 1.18.0",
        f"deep {EXPOSURE} detector1 12.5 s not measured no result in the mirror yet",
        "rejection_threshold=5.0",
        "abs_refcat=GAIADR3",
        f"flat jwst_nircam_flat_0001.fits {'5a' * 20}",
        "deep a3001 2 of 9 members are not there yet",
        "late_exposure jump: <no> groups left",
        "Selected, but not found at MAST program 9",
        "jw01345 o001 uncal 1.18.0 jwst_1322.pmap 2025_2 2025-11-02 1",
        "CRDS context jwst_1464.pmap",
    ):
        assert line in text


def test_report_needs_no_other_file_and_no_script(small_mirror):
    """Every address is inside the page, or an image that it carries."""
    page = report_of(small_mirror)

    assert "<script" not in page
    assert "url(" not in page and "@import" not in page
    for address in Text(page).addresses:
        assert address.startswith(("#", "data:image/png;base64,"))


def test_a_browser_may_show_only_the_style_and_the_pictures_of_the_page(small_mirror):
    """The policy in the page allows one style, by its hash, and nothing from elsewhere."""
    page = report_of(small_mirror)

    (style,) = re.findall(r"<style>(.*?)</style>", page, re.S)
    (policy,) = re.findall(r'http-equiv="Content-Security-Policy" content="(.*?)"', page)
    sha256 = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert html.unescape(policy).split("; ") == [
        "default-src 'none'",
        "img-src data:",
        f"style-src 'sha256-{sha256}'",
        "base-uri 'none'",
        "form-action 'none'",
    ]
    assert "style=" not in page and page.index("Content-Security") < page.index("<style>")


def test_chromium_refuses_what_the_policy_does_not_allow(small_mirror, tmp_path):
    """A script, a style or a picture that got into a page has no effect; the page itself has."""
    need("" if CHROMIUM else "chromium is not installed")
    page = report_of(small_mirror)
    added = (
        "<script>document.title = 'script ran'</script><style>b { color: red }</style>"
        "<img src='http://localhost:9/picture.png'>"
    )
    (tmp_path / "attacked.html").write_text(page.replace("</main>", f"{added}</main>"))
    (tmp_path / "page.html").write_text(page)

    attacked, refusals = chromium(tmp_path / "attacked.html")
    _, messages = chromium(tmp_path / "page.html")

    assert "<title>script ran" not in attacked and "<title>jwmirror" in attacked
    assert "Content Security Policy" not in messages
    assert refusals.count("Content Security Policy") >= 3


def chromium(page: Path) -> tuple[str, str]:
    """Return the page as chromium shows it, in HTML, and its messages on it."""
    options = (
        *("--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr"),
        *("--no-first-run", "--disable-background-networking", "--disable-component-update"),
        *("--disable-sync", "--disable-quic"),
    )
    profile = f"--user-data-dir={page.parent / 'profile'}"
    done = subprocess.run(
        [CHROMIUM, *options, profile, "--v=0", "--dump-dom", page.as_uri()],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return done.stdout, done.stderr


def test_report_shows_upstream_beside_recalibrated(small_mirror):
    """One picture per recalibrated mosaic, a PNG wider than high, with sky levels below."""
    page = report_of(small_mirror)

    (image,) = [url for url in Text(page).addresses if url.startswith("data:")]
    png = base64.b64decode(image.partition(",")[2])
    wide, high = (int.from_bytes(png[start : start + 4]) for start in (16, 20))
    assert png.startswith(b"\x89PNG")
    assert wide > 1.8 * high
    assert re.search(r"upstream: median 2\.0\d*, scatter 0\.05", page)
    assert re.search(r"recipe deep: median 2\.1\d*, scatter 0\.05", page)


def test_a_mosaic_that_cannot_be_read_is_named_in_the_page(small_mirror):
    """The report is written all the same, and says which file has no image."""
    path = f"recalibrated/deep/jw01345/o001/{MOSAIC}_i2d.fits"
    sha256, size = small_mirror.take(lambda file: file.write_bytes(b"no image"))
    small_mirror.rows[path] = replace(small_mirror.rows[path], sha256=sha256, size=size)
    small_mirror.publish("damaged")

    page = report_of(small_mirror)

    assert f"{sha256}: no SCI image can be read" in page
    assert "data:image" not in page


@pytest.mark.parametrize(("exclusive", "mode"), [(False, 0o644), (True, 0o600)])
def test_a_report_with_exclusive_data_is_for_its_owner(small_mirror, exclusive, mode):
    """Pictures of exclusive data are not for everyone on the machine."""
    small_mirror.hold("x_uncal.fits", lambda path: path.write_text("x"), exclusive=exclusive)
    small_mirror.publish("more")

    report_of(small_mirror)

    assert (small_mirror.root / "reports/000001.html").stat().st_mode & 0o777 == mode


def test_results_of_one_derivation_are_grouped(small_mirror):
    """Two exposures with equal parameters and references are one paragraph of two results."""
    before = report_of(small_mirror).count("<details>")
    record = Provenance(small_mirror.root).read(
        small_mirror.rows[f"recalibrated/deep/jw01345/o001/{EXPOSURE}_rate.fits"].key
    )
    twin = replace(record.derivation, product="twin")
    small_mirror.make(twin, "twin_rate.fits", lambda path: path.write_text("twin"))
    small_mirror.publish("more")

    page = report_of(small_mirror)

    assert page.count("<details>") == before == 2
    assert "2 results" in page


def test_no_run_on_record_is_no_error(tmp_path):
    """A mirror on which the workflow never ran has no last run."""
    assert last_run(tmp_path) is None


def test_a_run_that_was_stopped_early_is_read_as_far_as_it_came(small_mirror):
    """Records that are missing are empty; a damaged one is an error."""
    for name in ("changes.json", "plan-associations-3.json", "references.json"):
        (small_mirror.run_folder / name).unlink()

    run = last_run(small_mirror.root)

    assert (run.poll, run.references, run.published) == (None, None, None)
    assert run.changes == ()
    assert {chain.product for chain in run.chains} == {EXPOSURE, "late_exposure"}
    (small_mirror.run_folder / "changes.json").write_text("{")
    with pytest.raises(StoreError, match=r"changes\.json: not as jwmirror writes it"):
        last_run(small_mirror.root)


def test_holdings_count_by_folder_and_kind():
    """Files, bytes and vanished ones per origin, program, observation and suffix."""
    folder = "upstream/jw01345/o001"
    rows = [
        (f"{folder}/a_uncal.fits", 3, "held", ""),
        (f"{folder}/b_uncal.fits", 4, "vanished", ""),
    ]

    (count,) = count_files(rows)

    assert (count.origin, count.program, count.observation) == ("upstream", "jw01345", "o001")
    assert (count.suffix, count.files, count.bytes, count.vanished) == ("uncal", 2, 7, 1)


def test_history_lists_the_ancestors_of_the_current_generation(small_mirror):
    """A generation that was set aside is listed, and is not in the line."""
    for number in range(2):
        path = f"upstream/jw01345/o001/{number}"
        first = next(iter(small_mirror.rows.values()))
        small_mirror.rows[path] = Entry(
            path=path, origin="upstream", sha256=first.sha256, size=first.size
        )
        small_mirror.publish(f"more {number}")
    generations = Generations(small_mirror.root)

    history = build_history("m", generations.read(1), generations.all())

    assert history.line == (1,)
    assert [generation.number for generation in history.generations] == [3, 2, 1]


def test_blocks_are_averaged_without_what_is_unknown():
    """Shrinking keeps means, ignores NaN, and leaves NaN where nothing is known."""
    pixels = np.array([[1.0, 3.0, np.nan, np.nan], [5.0, np.nan, np.nan, np.nan]])

    small = plots.shrink(pixels, side=2)

    np.testing.assert_array_equal(small, [[3.0, np.nan]])
    assert plots.shrink(np.ones((3, 1000)), side=10).shape == (1, 10)
    assert plots.shrink(pixels, side=4).shape == pixels.shape


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 B"), (999, "999 B"), (1000, "1 kB"), (21_340_000, "21.3 MB")]
)
def test_sizes_have_three_digits(count, text):
    """Bytes are given in decimal units."""
    assert formatting.size(count) == text


def test_times_are_given_to_the_minute():
    """An ISO time in UTC, as one reads it."""
    assert formatting.minute("2026-03-01T12:30:59+00:00") == "2026-03-01 12:30 UTC"


def test_report_of_a_later_run_that_did_nothing(small_mirror):
    """The page says that nothing was done, and still lists the parameters of all results."""
    later = small_mirror.root / "receipts/runs/20270101T000000.000000Z-2"
    write(later / "changes.json", Poll(listings=(), changes=()))

    text = " ".join(Text(report_of(small_mirror)).words)

    assert "no failures, and no product waits or is out of date" in text
    assert "Nothing: every result existed already." in text
    assert "rejection_threshold=5.0" in text
    assert Path(last_run(small_mirror.root).id).name == later.name


def test_a_listing_that_is_not_believed_is_a_failure_of_the_run(small_mirror):
    """A listing in doubt is read back as written, and is among the failures."""
    doubt = Doubt(program=1345, observation="o001", why="17 of 18 vanished")
    poll = Poll(listings=(), changes=(), doubts=(doubt,))
    small_mirror.record("changes.json", poll)

    run = last_run(small_mirror.root)

    assert run.poll == poll
    assert Failure("MAST's listing, program 1345, observation o001", doubt.why) in run.failures


def test_a_narrow_terminal_cuts_no_name_of_a_column_that_is_to_stay_whole():
    """Other columns are folded first: a name that is cut cannot be copied into a config."""
    name = "three_group_rejection_threshold"
    table = empty_table("Parameters", "parameter", "what it does", whole=("parameter",))
    table.add_row(name, "words " * 30)
    console = Console(width=50, file=io.StringIO())

    console.print(table)

    assert name in console.file.getvalue()
