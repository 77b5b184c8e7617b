"""The site: pages that need no network, say what happened and why, and hide exclusive data."""

import base64
import hashlib
import html
import os
import re
from dataclasses import replace
from functools import partial
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import asdf
import pytest

from jwmirror.compare.pictures import DrawnComparison, FileRow, pairs
from jwmirror.core.errors import StoreError
from jwmirror.core.files import write_bytes
from jwmirror.core.model import Poll, Recipe, Where, write
from jwmirror.core.model.history.causes import Cause
from jwmirror.core.model.run import Stop
from jwmirror.core.model.stored import Setup
from jwmirror.pipeline.derivation import engine_versions
from jwmirror.services.inspect.answers.crds_parameters import CrdsParameters, CrdsValue
from jwmirror.services.run.site import write_site
from jwmirror.services.site.differences import DifferingFile
from jwmirror.services.site.made_results import MadeResults
from jwmirror.services.site.pictures import PlannedPairs, SitePictures, planned_pairs
from jwmirror.store import runs
from jwmirror.store.access import exclusive_site, public_site
from jwmirror.store.generations import Generations
from jwmirror.store.provenance import Provenance
from tests.setup.command_line import run
from tests.setup.mirrors import EXPOSURE, MOSAIC, SmallMirror, image_writer, made_from

SECRET = "jw02345001001_02101_00001_nrcb1"
HOSTILE = "jw01345-o001_<script>alert(1)<&>'\"x_uncal.fits"


class Page(HTMLParser):
    """The words of a page, the addresses that it refers to, and its ids."""

    def __init__(self, path: Path):
        super().__init__()
        self.words: list[str] = []
        self.addresses: list[str] = []
        self.ids: set[str] = set()
        self.tags: list[str] = []
        self.attributes: set[str] = set()
        self.feed(path.read_text())

    def handle_starttag(self, tag: str, attributes: list) -> None:
        """Remember what the page would load."""
        self.tags.append(tag)
        self.attributes |= {name for name, _ in attributes}
        self.addresses += [value for name, value in attributes if name in ("src", "href")]
        self.ids |= {value for name, value in attributes if name == "id"}

    def handle_data(self, data: str) -> None:
        """Remember the words, with single spaces."""
        self.words += data.split()

    @property
    def text(self) -> str:
        """All words."""
        return " ".join(self.words)


def pages_of(site: Path) -> dict[str, Page]:
    """The pages of a site, by address."""
    return {str(path.relative_to(site)): Page(path) for path in sorted(site.rglob("*.html"))}


def broken_links(site: Path) -> list[str]:
    """The links between pages, and to files of the view, that lead nowhere."""
    pages, broken = pages_of(site), []
    for address, page in pages.items():
        for link in page.addresses:
            if link.startswith("https://"):
                continue
            path, _, fragment = link.partition("#")
            target = Path(os.path.normpath((site / address).parent / unquote(path)))
            target = site / address if not path else target
            if not target.exists() or (fragment and unquote(fragment) not in Page(target).ids):
                broken.append(f"{address}: {link}")
    return broken


write_pages = partial(write_site, budget_s=0)  # without drawing, which takes seconds


@pytest.fixture
def site(small_mirror) -> Path:
    """The folder of the small mirror's site."""
    return write_pages(mirror=small_mirror.root).parent


def test_the_site_shows_what_happened_and_why(site):
    """Changes, results, parameters, references, waits and failures are on their pages."""
    pages = pages_of(site)

    assert "run of 2026-03-01" in pages["index.html"].text
    assert "late_exposure jump: <no> groups left" in pages["attention.html"].text
    assert "deep: a3001 2 of 9 members are not there yet" in pages["attention.html"].text
    assert "program 9" in pages["attention.html"].text
    observation = pages["observations/jw01345-o001.html"].text
    assert f"{EXPOSURE} MAST uncal 1.18.0 jwst_1322.pmap 2025-11-02" in observation
    product = pages[f"products/{EXPOSURE}.html"].text
    assert "jump.rejection_threshold" not in product or "rejection_threshold=5.0" in product
    assert f"flat jwst_nircam_flat_0001.fits {'5a' * 20}" in product
    assert "in 12 s, with 900 MB of memory" in product


def test_a_failed_state_does_not_read_as_nothing_to_do(small_mirror):
    """Nor does a run that stopped before it published; without any of that, the page says so."""
    failed = Page(write_pages(mirror=small_mirror.root)).text
    later = small_mirror.root / "receipts/runs/20270101T000000.000000Z-2"
    write(later / "changes.json", Poll(listings=(), changes=()))
    write(later / "published.json", {"generation": 1, "is_new": False})
    write(later / "plan-exposures.json", {"context": "c"})
    fine = Page(write_pages(mirror=small_mirror.root)).text
    write(
        small_mirror.root / "receipts/runs/20270102T000000.000000Z-2/stopped.json",
        Stop(run="20270102T000000.000000Z-2", at="2027-01-02", rule="query_archive", why="no MAST"),
    )
    stopped = Page(write_pages(mirror=small_mirror.root)).text

    assert "Nothing: the last run failed nowhere" not in failed and "groups left" in failed
    assert "Nothing: the last run failed nowhere" in fine
    assert "Nothing: the last run failed nowhere" not in stopped
    assert "query_archive: no MAST" in stopped


def test_all_links_lead_somewhere(site, small_mirror):
    """Between pages, to parts of pages, and to files of the view; nothing is loaded from a net."""
    assert broken_links(site) == []
    assert len(pages_of(site)) == 10
    for page in pages_of(site).values():
        assert not [each for each in page.addresses if each.startswith(("http:", "//", "/"))]
    (site / "generations/1.html").unlink()
    assert broken_links(site) != []


def test_each_page_leads_to_the_words_that_the_site_uses(site):
    """At its end, so that a reader needs no network to look up a word."""
    first = (site / "index.html").read_text()
    without = [each for each in site.rglob("*.html") if "index.html#words" not in each.read_text()]

    assert all(f"<dt>{word}</dt>" in first for word in ("generation", "recipe", "reprocessed"))
    assert 'id="words"' in first and without == []


def test_a_browser_may_use_only_the_style_and_the_script_of_a_page(site):
    """The policy in the page allows these two, by their hashes, and pictures beside the page."""
    page = (site / "index.html").read_text()

    (style,) = re.findall(r"<style>(.*?)</style>", page, re.S)
    (script,) = re.findall(r"<script>(.*?)</script>", page, re.S)
    (policy,) = re.findall(r'http-equiv="Content-Security-Policy" content="(.*?)"', page)
    hashes = [
        base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        for text in (style, script)
    ]
    assert html.unescape(policy).split("; ") == [
        "default-src 'none'",
        "img-src 'self' file:",
        f"style-src 'sha256-{hashes[0]}'",
        f"script-src 'sha256-{hashes[1]}'",
        "base-uri 'none'",
        "form-action 'none'",
    ]
    attributes = {name for page in pages_of(site).values() for name in page.attributes}
    assert not [name for name in attributes if name == "style" or name.startswith("on")]
    assert page.index("Content-Security") < page.index("<style>")


def test_names_from_outside_are_text(small_mirror):
    """They are no tags, no attributes and no addresses of other places."""
    small_mirror.hold(HOSTILE, image_writer(1.0))
    small_mirror.record("plan-exposures.json", {"context": "c"})
    small_mirror.publish("<b>cause</b>")

    site = write_pages(mirror=small_mirror.root).parent
    pages = pages_of(site)

    assert all(page.tags.count("script") == 1 for page in pages.values())
    assert "<b>cause</b>" in pages["index.html"].text
    assert "<script>alert(1)<&>" in pages["observations/jw01345-o001.html"].text
    assert broken_links(site) == []


def test_what_is_copied_from_the_page_on_citing_has_lines(site):
    """Identifiers, and BibTeX."""
    page = html.unescape((site / "cite.html").read_text())

    assert f"\n{EXPOSURE}</textarea>" in page
    assert "@article{jwst-mission,\n" in page and "},\\n" not in page


def test_only_pages_that_show_something_else_are_written_again(small_mirror):
    """A new generation changes its own page, the one before, and what it is about."""
    site = write_pages(mirror=small_mirror.root).parent
    before = {path: path.stat().st_mtime_ns for path in site.rglob("*.html")}
    small_mirror.hold("jw01346001001_02101_00001_nrcb1_uncal.fits", image_writer(1.0), program=1346)
    small_mirror.publish("another program")

    write_pages(mirror=small_mirror.root)

    after = {path: path.stat().st_mtime_ns for path in site.rglob("*.html")}
    written = {str(path.relative_to(site)) for path in after if after[path] != before.get(path)}
    assert written == {
        *("index.html", "cite.html", "attention.html"),
        *("generations/1.html", "generations/2.html"),
        *("programs/jw01345.html", "programs/jw01346.html"),
        *("observations/jw01345-o001.html", "observations/jw01346-o001.html"),
    }
    assert broken_links(site) == []
    assert {path: path.stat().st_mtime_ns for path in site.rglob("*.html")} == after


def test_pages_that_nothing_needs_are_removed_and_files_of_others_stay(small_mirror):
    """A recipe that was removed leaves no page of its results; a user's file is not touched."""
    site = write_pages(mirror=small_mirror.root).parent
    (site / "products" / "notes.html").write_text("mine")
    assert (site / f"products/{EXPOSURE}.html").exists()
    for path in [path for path in small_mirror.rows if path.startswith("recalibrated")]:
        del small_mirror.rows[path]
    small_mirror.publish("recipe deep was removed")
    (small_mirror.root / "generations/000001/pruned.json").write_text("{}")
    for path in (small_mirror.root / "receipts/site").glob("0*.json"):
        path.unlink()

    write_pages(mirror=small_mirror.root)

    assert [path.name for path in (site / "products").iterdir()] == ["notes.html"]
    assert "It was pruned" in (site / "generations/1.html").read_text()


def test_a_build_that_was_killed_is_completed(small_mirror, monkeypatch):
    """The index comes last, so that it leads nowhere that does not exist."""
    written: list[Path] = []

    def stop_after_three(path: Path, *content: object, **options: object) -> None:
        if len(written) == 3:
            raise KeyboardInterrupt
        written.append(path)
        write_bytes(path, *content, **options)

    monkeypatch.setattr("jwmirror.services.site.page_files.write_bytes", stop_after_three)
    with pytest.raises(KeyboardInterrupt):
        write_pages(mirror=small_mirror.root)
    monkeypatch.undo()
    site = public_site(small_mirror.root)
    files = [path for path in site.rglob("[!.]*") if path.is_file()]
    assert len(files) == 3 and not (site / "index.html").exists()

    write_pages(mirror=small_mirror.root)

    assert broken_links(site) == [] and (site / "index.html").exists()


def test_files_made_before_their_raw_data_were_replaced_say_so(small_mirror):
    """Each kind of file has its own date."""
    small_mirror.hold(f"{EXPOSURE}_uncal.fits", image_writer(1.0), date="2026-02-19T00:00:00")
    small_mirror.hold(f"{EXPOSURE}_cal.fits", image_writer(1.0), date="2026-01-01T00:00:00")
    small_mirror.hold(f"{MOSAIC}_i2d.fits", image_writer(1.0), date="2026-01-01T00:00:00")
    small_mirror.publish("newer raw data")

    pages = pages_of(write_pages(mirror=small_mirror.root).parent)

    text = pages["observations/jw01345-o001.html"].text
    assert "2026-01-01: cal 2026-02-19: uncal" in text
    assert "made before its raw data were replaced (2026-02-19) (1 of 2)" in text
    words = "made before raw data of its observation and filter were replaced (2026-02-19)"
    assert words in pages["mosaics.html"].text


def test_undecided_files_are_named_with_what_to_do(small_mirror):
    """On the page of all that needs attention, and on the one of their observation."""
    name = f"{MOSAIC}_cat.ecsv"
    runs.write_undecided(
        small_mirror.root, {f"mast:JWST/product/{name}": "2026-03-01T10:00:00+00:00"}
    )

    pages = pages_of(write_pages(mirror=small_mirror.root).parent)

    for page in ("attention.html", "observations/jw01345-o001.html", "programs/jw01345.html"):
        assert f"{name} MAST lists no checksum of it" in pages[page].text
        assert "archive.recheck_gb_per_run" in pages[page].text


def test_the_folder_of_the_config_is_on_no_page(small_mirror):
    """Its name and the line are; nor is it in a feed."""
    cause = Cause(
        kind="parameter",
        what="jump.rejection_threshold",
        old="4.0",
        new="7.0",
        recipe="deep",
        stage="detector1",
        where="line 47 of /home/me/my data (old)/config.yaml",
        files=1,
    )
    rows = list(Generations(small_mirror.root).entries())[:-1]
    Generations(small_mirror.root).publish(rows, "said", {}, explain=lambda *_: (cause,))

    site = write_pages(mirror=small_mirror.root).parent

    texts = {path.name: path.read_text() for path in site.rglob("*") if path.is_file()}
    assert not [name for name, text in texts.items() if "/home/me" in text]
    for name in ("index.html", "2.html", "feed.xml", "feed.json"):
        assert "line 47 of config.yaml" in texts[name]


def test_two_sound_mosaics_say_how_they_differ(small_mirror):
    """In parameters of any stage, but not of steps that leave a mosaic as it is."""
    raw, rate, made = f"{EXPOSURE}_uncal.fits", f"{EXPOSURE}_rate.fits", {}
    for recipe, jump, snr in (("deep", 4.5, 10.0), ("quick", 7.0, 8.0)):
        parts = {
            "rate": made_from("detector1", EXPOSURE, raw, jump={"limit": jump}),
            "i2d": made_from("image3", MOSAIC, rate, source_catalog={"snr": snr}),
        }
        for suffix, derivation in parts.items():
            name = f"{derivation.product}_{suffix}.fits"
            small_mirror.make(derivation, name, image_writer(jump), noise=10 + jump)
            row = small_mirror.rows.pop(f"recalibrated/deep/jw01345/o001/{name}")
            path = f"recalibrated/{recipe}/jw01345/o001/{name}"
            facts = {"path": path, "origin": recipe, "identity": f"{jump}{name}"}
            made[path] = small_mirror.rows[path] = replace(row, quality="sound", **facts)
    small_mirror.rows |= made
    small_mirror.publish("two recipes")
    words = {"jump.limit": "CR sigma <b>limit</b>"}
    write(small_mirror.root / "receipts/site/meanings-3.0.0-detector1.json", words)

    text = Page(write_pages(mirror=small_mirror.root).parent / "mosaics.html").text

    assert "Use the version of recipe deep (the first of your recipes" in text
    assert text.index("Use recipe deep's version of the only mosaic or cube.") < text.index(
        "One version"
    )
    assert "Recipe quick's version is also sound, and was made with detector1.jump.limit" in text
    assert "jump.limit 7.0 instead of 4.5 (CR sigma <b>limit</b>). " in text
    assert "MAST recommended" not in text
    assert f"jwmirror diff :deep :quick {MOSAIC}_i2d.fits compares their pixels" in text
    assert "source_catalog" not in text and "1 exposure" in text
    assert "noise (scatter of the pixels) 14.5" in text and "pixels) 17" in text


def test_a_parameter_names_what_set_it(tmp_path):
    """The recipe, perhaps for some exposures; or the parameter reference."""
    write(
        tmp_path / "receipts/site/defaults-3.0.0-detector1.json",
        {"jump.limit": 4.0, "jump.large": False, "ramp_fit.first": 0},
    )
    words = {"jump.limit": "CR sigma limit"}
    write(tmp_path / "receipts/site/meanings-3.0.0-detector1.json", words)
    recipe = Recipe(
        name="deep",
        programs=(),
        parameters={"detector1": {"steps": {"jump": {"limit": 5.0}}}},
        where=(
            Where(
                match={"filter": "F150W"},
                parameters={"detector1": {"steps": {"jump": {"limit": 4.5}}}},
            ),
        ),
    )
    steps = {"jump": {"limit": 4.5, "large": True}, "ramp_fit": {"first": 1}}
    made = replace(
        made_from("detector1", EXPOSURE, f"{EXPOSURE}_uncal.fits", **steps),
        references={"pars-jumpstep": ("pars_1.asdf", "5a"), "pars-rampfitstep": ("N/A", "")},
    )

    settings, note = MadeResults(tmp_path, [recipe]).settings(made, "deep")

    assert note == ""
    assert [(each.name, each.source, each.meaning) for each in settings] == [
        ("jump.large", "CRDS: pars_1.asdf", ""),
        ("jump.limit", "recipe deep, where filter F150W", "CR sigma limit"),
        ("ramp_fit.first", "CRDS", ""),
    ]


def test_the_meaning_of_a_parameter_is_that_of_the_jwst_which_made_it(tmp_path):
    """In the words of the installed one, which are kept; of another version it is not known."""
    names = ["detector1.jump.rejection_threshold", "detector1.nothing", "none.such"]
    version = engine_versions()["jwst"]

    here = MadeResults(tmp_path).meanings(names, version)
    other = MadeResults(tmp_path).meanings(names, "0.1.0")

    assert here == {names[0]: "CR sigma rejection threshold"} and other == {}
    kept = tmp_path / f"receipts/site/meanings-{version}-detector1.json"
    assert "CR sigma rejection threshold" in kept.read_text()


def test_values_of_crds_are_beside_those_of_jwst(tmp_path):
    """Also where a recipe sets jwst's default; a reference that cannot be read gives a dash."""
    values = {"jump.limit": 4.0, "jump.large": False, "jump.time": 0.0, "ramp_fit.first": 0}
    write(tmp_path / "receipts/site/defaults-3.0.0-detector1.json", values)
    known = {"jump.limit": 5, "jump.large": True, "jump.time": 0}
    write(tmp_path / "receipts/site/pars-jumpstep-detector1-5a.json", known)
    recipe = Recipe(
        name="deep",
        programs=(),
        parameters={"detector1": {"steps": {"jump": {"limit": 4.0}, "ramp_fit": {"first": 1}}}},
    )
    steps = {"jump": {"limit": 4.0, "large": True, "time": 0.0}, "ramp_fit": {"first": 1}}
    made = replace(
        made_from("detector1", EXPOSURE, f"{EXPOSURE}_uncal.fits", **steps),
        references={"pars-jumpstep": ("p1.asdf", "5a"), "pars-rampfitstep": ("p2.asdf", "5b")},
    )

    settings, _ = MadeResults(tmp_path, [recipe]).settings(made, "deep")

    assert [(s.name, s.value, s.default, s.crds, s.source) for s in settings] == [
        ("jump.large", "true", "false", "true", "CRDS: p1.asdf"),
        ("jump.limit", "4.0", "4.0", "5", "recipe deep"),
        ("ramp_fit.first", "1", "0", "\u2013", "recipe deep"),
    ]


@pytest.mark.parametrize("sha1", ["", "00" * 20])
def test_a_parameter_reference_is_read_once_from_the_cache_of_references(sha1, tmp_path):
    """If it is the one that the result was made with; then it may leave the cache."""
    name = "jwst_nircam_pars-jumpstep_0001.asdf"
    path = tmp_path / "references" / "jwst" / "nircam" / name
    path.parent.mkdir(parents=True)
    step = {"class": "jwst.jump.jump_step.JumpStep", "name": "JumpStep"}
    asdf.AsdfFile({**step, "parameters": {"rejection_threshold": 5.5}}).write_to(path)
    steps = {"jump": {"rejection_threshold": 7.0, "skip": False}}
    made = replace(
        made_from("detector1", EXPOSURE, f"{EXPOSURE}_uncal.fits", **steps),
        references={"pars-jumpstep": (name, sha1 or hashlib.sha1(path.read_bytes()).hexdigest())},
    )

    of_crds = CrdsParameters(tmp_path, tmp_path).of(made)
    path.unlink()
    again = CrdsParameters(tmp_path, tmp_path).of(made)

    if sha1:
        assert not any(each.is_known for each in of_crds.values())
    else:
        assert of_crds["jump.rejection_threshold"] == CrdsValue(5.5, name)
        assert "jump.skip" not in of_crds
    assert again == of_crds


# ---- exclusive data --------------------------------------------------------------------------


@pytest.fixture
def exclusive_mirror(small_mirror) -> SmallMirror:
    """Beside the public files, an exclusive exposure and what was made of it."""
    mirror = small_mirror
    uncal = mirror.hold(
        f"{SECRET}_uncal.fits",
        image_writer(7.0),
        program=2345,
        exclusive=True,
        release_date="2099-05-06T00:00:00",
    )
    made = made_from("detector1", SECRET, uncal.filename, jump={"rejection_threshold": 6.25})
    mirror.make(made, f"{SECRET}_rate.fits", image_writer(7.5))
    mirror.rows = {
        path.replace(
            "recalibrated/deep/jw01345/o001/jw02345", "recalibrated/deep/jw02345/o001/jw02345"
        ): replace(row, path=path.replace("jw01345/o001/jw02345", "jw02345/o001/jw02345"))
        for path, row in mirror.rows.items()
    }
    mirror.publish("more")
    return mirror


def test_the_public_site_has_no_byte_of_exclusive_data(exclusive_mirror):
    """MAST shows that the file exists and when it is released; all else is on the other site."""
    complete = write_pages(mirror=exclusive_mirror.root).parent

    public = public_site(exclusive_mirror.root)
    assert complete == exclusive_site(exclusive_mirror.root)
    text = "".join(path.read_text() for path in public.rglob("*.html"))
    assert f"{SECRET}" in text and "exclusive until 2099-05-06" in text
    secret = exclusive_mirror.rows[f"recalibrated/deep/jw02345/o001/{SECRET}_rate.fits"]
    for word in ("6.25", "_rate.fits</a> jw02345", secret.sha256, secret.key, f"{SECRET}_rate"):
        assert word not in text
    assert not (public / f"products/{SECRET}.html").exists()
    assert "current/upstream/jw02345" not in text
    everything = "".join(path.read_text() for path in complete.rglob("*.html"))
    assert "6.25" in everything and f"{SECRET}_rate" in everything
    assert broken_links(public) == [] == broken_links(complete)


def test_what_is_made_of_exclusive_data_says_until_when(exclusive_mirror):
    """On the pages of mosaics, observations and products, and in the counts of all pages."""
    mosaic = MOSAIC.replace("jw01345-o001", "jw02345-o001")
    cal = exclusive_mirror.make(
        made_from("image2", SECRET, f"{SECRET}_rate.fits"), f"{SECRET}_cal.fits", image_writer(7.6)
    ).files[0]
    made = made_from("image3", mosaic, cal.filename)
    exclusive_mirror.make(made, f"{mosaic}_i2d.fits", image_writer(7.7))
    exclusive_mirror.hold(f"{mosaic}_i2d.fits", image_writer(7.8), program=2345, exclusive=True)
    exclusive_mirror.rows = {
        (path := row.path.replace("jw01345/o001/jw02345", "jw02345/o001/jw02345")): replace(
            row, path=path
        )
        for row in exclusive_mirror.rows.values()
    }
    exclusive_mirror.publish("a mosaic")

    complete = pages_of(write_pages(mirror=exclusive_mirror.root).parent)

    words = "exclusive until 2099-05-06 (made from exclusive data)"
    for page in ("mosaics", "observations/jw02345-o001", f"products/{mosaic}"):
        assert words in complete[f"{page}.html"].text
    counts = "2 files of MAST and 3 files made from exclusive data"
    for page in ("index", "releases"):
        assert counts in complete[f"{page}.html"].text
    days = complete["releases.html"].text
    assert days.index("2099-05 ") < days.index("Date not known")
    public = pages_of(public_site(exclusive_mirror.root))
    assert "2 files of MAST are exclusive" in public["releases.html"].text
    of_mosaics = public["mosaics.html"]
    assert mosaic in of_mosaics.text and words not in of_mosaics.text
    assert not [each for each in of_mosaics.addresses if "jw02345/o001" in each]


def test_the_public_page_counts_mosaics_made_of_exclusive_data(exclusive_mirror):
    """It has no link out of its folder to them, and does not name one that MAST does not have."""
    own = MOSAIC.replace("jw01345-o001", "jw02345-o001").replace("f200w", "f999w")
    made = made_from("image3", own, f"{SECRET}_rate.fits")
    exclusive_mirror.make(made, f"{own}_i2d.fits", image_writer(7.7))
    row = exclusive_mirror.rows.pop(f"recalibrated/deep/jw01345/o001/{own}_i2d.fits")
    path = row.path.replace("jw01345/o001", "jw02345/o001")
    exclusive_mirror.rows[path] = replace(row, path=path, quality="sound")
    exclusive_mirror.publish("a mosaic")

    complete = Page(write_pages(mirror=exclusive_mirror.root).parent / "mosaics.html")
    site = public_site(exclusive_mirror.root)
    public = Page(site / "mosaics.html")

    sentence = "1 version made of exclusive data is on the complete site only: site-exclusive/ "
    assert sentence in public.text and sentence not in complete.text
    assert own in complete.text and "Use the version of recipe deep: it is sound" in complete.text
    assert not [path for path in site.rglob("*.html") if own in path.read_text()]
    assert not [each for each in public.addresses if "site-exclusive" in each]
    assert str(exclusive_mirror.root) not in (site / "mosaics.html").read_text()


def test_the_complete_site_is_closed_at_every_moment(exclusive_mirror, monkeypatch):
    """Its folder is closed before anything is in it, and each file of its own is, too."""
    seen: list[int] = []

    def look(path: Path, *content: object, **options: object) -> None:
        folder = exclusive_site(exclusive_mirror.root)
        if folder.exists():
            seen.append(folder.stat().st_mode & 0o077)
        write_bytes(path, *content, **options)

    monkeypatch.setattr("jwmirror.services.site.page_files.write_bytes", look)
    complete = write_pages(mirror=exclusive_mirror.root).parent

    assert len(seen) > 10 and set(seen) == {0}
    files = [path for path in complete.rglob("*") if path.is_file()]
    assert {path.stat().st_mode & 0o777 for path in files} == {0o600}
    assert public_site(exclusive_mirror.root).stat().st_mode & 0o055 == 0o055


def test_when_all_is_released_there_is_one_site(exclusive_mirror):
    """The complete one is removed, and the public one shows everything."""
    complete = write_pages(mirror=exclusive_mirror.root).parent
    path = f"upstream/jw02345/o001/{SECRET}_uncal.fits"
    row = exclusive_mirror.rows[path]
    exclusive_mirror.hold(f"{SECRET}_uncal.fits", image_writer(7.0), program=2345)
    assert exclusive_mirror.rows[path].sha256 == row.sha256
    exclusive_mirror.publish("released")

    public = write_pages(mirror=exclusive_mirror.root).parent

    assert public == public_site(exclusive_mirror.root) and not complete.exists()
    assert "6.25" in "".join(page.read_text() for page in public.rglob("*.html"))


def test_a_public_site_is_closed_when_a_file_is_restricted(exclusive_mirror):
    """From the publication on, until its pages are written again without the file."""
    root = exclusive_mirror.root
    write_pages(mirror=root)
    assert public_site(root).stat().st_mode & 0o055 == 0o055
    exclusive_mirror.hold(f"{EXPOSURE}_uncal.fits", image_writer(1.0), exclusive=True)
    exclusive_mirror.publish("restricted")
    assert public_site(root).stat().st_mode & 0o077 == 0

    write_pages(mirror=root)

    assert public_site(root).stat().st_mode & 0o055 == 0o055
    assert not (public_site(root) / f"products/{EXPOSURE}.html").exists()


# ---- the command -----------------------------------------------------------------------------


def test_the_command_writes_the_site_and_prints_its_first_page(small_mirror):
    """With --rebuild, it writes all pages; a link in place of the folder is refused."""
    printed = run("site", "--mirror", small_mirror.root)
    page = small_mirror.root / "site" / "cite.html"
    first = page.stat().st_mtime_ns
    run("site", "--mirror", small_mirror.root)
    same = page.stat().st_mtime_ns
    run("site", "--rebuild", "--mirror", small_mirror.root)

    assert Path(printed.strip()) == (small_mirror.root / "site/index.html").absolute()
    assert (same == first, page.stat().st_mtime_ns > first) == (True, True)
    (small_mirror.root / "site").rename(small_mirror.root / "elsewhere")
    (small_mirror.root / "site").symlink_to("elsewhere")
    with pytest.raises(StoreError, match="expected a folder, found a link"):
        write_pages(mirror=small_mirror.root)


def test_a_mirror_without_a_generation_has_no_site(empty_mirror):
    """Nothing is written before the first publication."""
    empty_mirror.root.mkdir()

    page = write_pages(mirror=empty_mirror.root)

    assert not page.exists() and not page.parent.exists()


def test_the_record_of_a_result_may_be_gone(small_mirror):
    """Its product has a page all the same."""
    record = Provenance(small_mirror.root)
    rows = Generations(small_mirror.root).entries()
    (key,) = {row.key for row in rows if row.filename == f"{MOSAIC}_i2d.fits" and row.key}
    record.path(key).unlink()

    site = write_pages(mirror=small_mirror.root).parent

    assert MOSAIC in Page(site / "mosaics.html").text
    assert broken_links(site) == []


# ---- pictures --------------------------------------------------------------------------------


def test_a_recalibrated_mosaic_is_shown_beside_that_of_mast(small_mirror):
    """Drawn once; a file that cannot be read has a page all the same, which names it."""
    site = write_site(mirror=small_mirror.root).parent
    drawn = {path: path.stat().st_mtime_ns for path in site.glob("pictures/*/*.png")}
    page = Page(site / f"products/{MOSAIC}.html")
    write_site(mirror=small_mirror.root, rebuild=True)
    again = {path: path.stat().st_mtime_ns for path in site.glob("pictures/*/*.png")}
    path = f"recalibrated/deep/jw01345/o001/{MOSAIC}_i2d.fits"
    sha256, size = small_mirror.take(lambda file: file.write_bytes(b"no image"))
    small_mirror.rows[path] = replace(small_mirror.rows[path], sha256=sha256, size=size)
    small_mirror.publish("damaged")
    write_site(mirror=small_mirror.root)

    assert len(drawn) >= 4 and again == drawn
    assert "MAST and recipe deep" in page.text and page.tags.count("img") == len(drawn)
    assert "MAST and recipe deep" in Page(site / f"products/{MOSAIC}.html").text
    assert Page(site / f"products/{MOSAIC}.html").tags.count("img") == 0
    assert not list(site.glob("pictures/*/*.png")) and broken_links(site) == []


def test_a_generation_shows_before_and_after(small_mirror):
    """Of what it changed; what is not drawn in time is counted, and drawn by the next call."""
    write_site(mirror=small_mirror.root)
    path = f"recalibrated/deep/jw01345/o001/{MOSAIC}_i2d.fits"
    sha256, size = small_mirror.take(image_writer(2.2))
    changed = replace(small_mirror.rows[path], sha256=sha256, size=size, identity="2e" * 32)
    small_mirror.rows[path] = changed
    small_mirror.publish("a parameter")

    site = write_site(mirror=small_mirror.root, budget_s=0).parent
    waiting = Page(site / "generations/2.html")
    write_site(mirror=small_mirror.root)
    drawn = Page(site / "generations/2.html")

    assert "1 comparison not drawn yet: jwmirror site draws them" in waiting.text
    assert "img" not in waiting.tags
    assert "recipe deep, before and after" in drawn.text and "not drawn yet" not in drawn.text
    assert drawn.tags.count("img") >= 4 and broken_links(site) == []


def test_a_generation_says_what_parameters_did_to_pixels(small_mirror):
    """In one sentence for each recipe and kind of file."""
    path = f"recalibrated/deep/jw01345/o001/{MOSAIC}_i2d.fits"
    sha256, size = small_mirror.take(image_writer(3.0))
    changed = replace(small_mirror.rows[path], sha256=sha256, size=size, identity="2e" * 32)
    small_mirror.rows[path] = changed
    words = {"jump.x": "what x does"}
    write(small_mirror.root / "receipts/site/meanings-3.0.0-detector1.json", words)
    cause = Cause(kind="parameter", what="jump.x", old="4.0", new="7.0", recipe="deep", files=1)
    setup = Setup(config={}, recipes=(), software={"": {"jwst": "3.0.0"}})
    Generations(small_mirror.root).publish(
        small_mirror.rows.values(),
        "",
        {},
        setup=setup,
        explain=lambda *_: (replace(cause, stage="detector1"),),
    )

    site = write_site(mirror=small_mirror.root).parent
    page = Page(site / "generations/2.html")

    assert "1 file. In jwst's words: what x does" in page.text
    index = Page(site / "index.html").text
    assert f"jwmirror diff 1:deep 2:deep {MOSAIC}_i2d.fits" in index
    words = "recipe deep, i2d of combined products, 1 file compared: 100 % of the pixels or values"
    assert f"{words} changed, of those that both versions have" in page.text
    assert f"most pixels changed by the same amount: {MOSAIC}_i2d.fits by" in page.text
    assert re.search(rf"; largest difference \S+, in {MOSAIC}_i2d.fits at x \d+, y \d+ ", page.text)


def test_versions_of_two_recipes_are_compared(small_mirror):
    """On the page of the mosaic, to which the page of mosaics links."""
    path = f"recalibrated/deep/jw01345/o001/{MOSAIC}_i2d.fits"
    sha256, size = small_mirror.take(image_writer(2.2))
    quick = {"path": path.replace("deep", "quick"), "origin": "quick", "identity": "2e" * 32}
    row = replace(small_mirror.rows[path], sha256=sha256, size=size, **quick)
    small_mirror.rows[row.path] = row
    small_mirror.publish("two recipes")

    site = write_site(mirror=small_mirror.root).parent

    page, mosaics = Page(site / f"products/{MOSAIC}.html"), Page(site / "mosaics.html")
    assert f"{MOSAIC}_i2d.fits: recipe deep and recipe quick" in page.text
    (link,) = [each for each in mosaics.addresses if each.startswith(f"products/{MOSAIC}.html#")]
    assert link.partition("#")[2] in page.ids and broken_links(site) == []


def test_two_recipes_are_not_compared_on_the_public_site_if_one_is_exclusive(exclusive_mirror):
    """The complete site compares them."""
    path = f"recalibrated/deep/jw01345/o001/{MOSAIC}_i2d.fits"
    sha256, size = exclusive_mirror.take(image_writer(2.2))
    secret = next(row for row in exclusive_mirror.rows.values() if SECRET in row.path and row.key)
    quick = {"path": path.replace("deep", "quick"), "origin": "quick", "identity": "2e" * 32}
    row = replace(exclusive_mirror.rows[path], sha256=sha256, size=size, key=secret.key, **quick)
    exclusive_mirror.rows[row.path] = row
    exclusive_mirror.publish("two recipes")

    complete = write_site(mirror=exclusive_mirror.root).parent

    words = "recipe deep and recipe quick"
    assert words in Page(complete / f"products/{MOSAIC}.html").text
    public = public_site(exclusive_mirror.root)
    assert not [path for path in public.rglob("*.html") if words in Page(path).text]
    assert broken_links(public) == []


def test_of_many_recipes_some_are_compared():
    """And the rest is counted; comparisons with MAST's are drawn first."""
    names = [f"recipe{number}" for number in range(6)]
    now = [FileRow(f"a/jw01345/o001/{MOSAIC}_i2d.fits", name, name, "") for name in names]

    planned = PlannedPairs(of_now=pairs(now), changed={})

    assert len(planned.of_now) == 15 and len(planned.drawn) == 6
    words = SitePictures(planned=planned, drawn={}).waiting_of_root(MOSAIC)
    assert words.startswith("6 comparisons not drawn yet") and "9 more comparisons" in words


def test_weights_are_explained_where_both_images_are_compared():
    """The image of the exposure, and the resampled one."""
    now = [
        FileRow(f"a/jw01345/o001/{EXPOSURE}_{suffix}.fits", origin, origin + suffix, "")
        for suffix in ("cal", "i2d")
        for origin in ("upstream", "deep")
    ]
    planned = PlannedPairs(of_now=pairs(now), changed={})
    done = {
        pair.name: DrawnComparison(version=1, name=pair.name, kind="mast", title="")
        for pair in planned.of_now
    }

    explained = [
        SitePictures(planned=planned, drawn=drawn).weights_of_root(EXPOSURE)
        for drawn in (done, dict([*done.items()][:1]))
    ]

    assert "inverse of the read-noise variance" in explained[0] and explained[1] == ""


def test_comparisons_that_a_generation_leaves_out_are_counted():
    """It has 24 at most."""
    files = [
        DifferingFile(
            kind="changed",
            path=f"recalibrated/deep/jw01345/o001/jw01345-o001_t{number:03d}_nircam_f200w_i2d.fits",
            origin="deep",
            old=f"{number}a",
            new=f"{number}b",
            is_other_science=True,
        )
        for number in range(30)
    ]

    pictures = SitePictures(planned=planned_pairs([], {2: files}), drawn={})

    words = pictures.waiting_of_generation(2)
    assert words.startswith("24 comparisons not drawn yet")
    assert "6 more files with other science content" in words


def test_pictures_of_exclusive_data_are_on_the_complete_site_only(exclusive_mirror):
    """Closed from the start; those of public data are copied there, closed, too."""
    exclusive_mirror.hold(f"{SECRET}_rate.fits", image_writer(7.1), program=2345, exclusive=True)
    exclusive_mirror.publish("MAST's rate")

    complete = write_site(mirror=exclusive_mirror.root).parent

    public = public_site(exclusive_mirror.root)
    of = {site: {path.name for path in site.glob("pictures/*")} for site in (public, complete)}
    assert len(of[public]) == 1 and len(of[complete]) == 2 and of[public] < of[complete]
    assert not [name for name in of[public] if SECRET in name]
    files = [path for path in complete.rglob("*") if path.is_file()]
    assert {path.stat().st_mode & 0o777 for path in files} == {0o600}
    assert {path.stat().st_mode & 0o077 for path in complete.glob("pictures/*")} == {0}
    assert broken_links(complete) == [] == broken_links(public)
