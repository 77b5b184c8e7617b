"""The public site says nothing of exclusive data, whatever failed, was killed or was damaged."""

import grp
import os
from dataclasses import replace

import pytest

from jwmirror.core.model import Change, Failure, Poll, Receipt, References, write
from jwmirror.core.model.plan import ReferenceFinding
from jwmirror.core.model.product import NEW, WITHHELD, Doubt
from jwmirror.core.model.run import Stop
from jwmirror.services.run.session import RunSession
from jwmirror.services.run.site import write_site
from jwmirror.services.site.page_files import RECORD, PageFiles, SiteFolder
from jwmirror.store.access import exclusive_site, public_site
from tests.setup.mirrors import EXPOSURE, SmallMirror, image_writer, made_from
from tests.unit.test_site import SECRET, pages_of, write_pages

MEASURED = "background 7.125 above"


@pytest.fixture
def partly_exclusive(small_mirror) -> SmallMirror:
    """Beside the public files of program 1345, an exclusive exposure of program 2345."""
    small_mirror.hold(f"{SECRET}_uncal.fits", image_writer(7.0), program=2345, exclusive=True)
    small_mirror.publish("more")
    return small_mirror


def found_only(mirror: SmallMirror, name: str, kind: str, **facts: int) -> None:
    """Let the last run find an exclusive exposure that it did not publish."""
    rows = dict(mirror.rows)
    row = mirror.hold(f"{name}_uncal.fits", image_writer(7.0), exclusive=True, **facts)
    mirror.rows = rows
    change = Change(kind=kind, product=row.product)
    mirror.record("changes.json", Poll(listings=(), changes=(change,)))


def texts_of(site) -> str:
    """All that a site says."""
    files = [path for path in site.rglob("*") if path.suffix in (".html", ".xml", ".json")]
    return "".join(path.read_text() for path in files)


@pytest.mark.parametrize(
    "name",
    [
        *("deep: my_cluster", "deep: jw01345-o001_t009_mine", "deep: jw02345-c1001_t001"),
        f"deep: {SECRET}",
    ],
)
def test_failures_that_may_be_of_exclusive_data_are_counted(partly_exclusive, name):
    """Those of own products and of combinations do not say what they were made from."""
    failure = Failure(name=name, message=MEASURED)
    partly_exclusive.record("exposures/b1.json", Receipt(results=(), failures=(failure,)))

    write_pages(mirror=partly_exclusive.root)

    public, whole = public_site(partly_exclusive.root), exclusive_site(partly_exclusive.root)
    assert MEASURED not in texts_of(public) and MEASURED in texts_of(whole)
    assert "that may be about exclusive data" in pages_of(public)["attention.html"].text


def test_failures_of_public_observations_are_shown(partly_exclusive):
    """And that MAST could not be listed, of which nothing was measured."""
    failures = (Failure(name=f"deep: {EXPOSURE}", message="no groups left"),)
    partly_exclusive.record("exposures/b1.json", Receipt(results=(), failures=failures))
    doubts = (Doubt(program=2345, why="the server did not answer"),)
    partly_exclusive.record("changes.json", Poll(listings=(), changes=(), doubts=doubts))

    write_pages(mirror=partly_exclusive.root)

    text = pages_of(public_site(partly_exclusive.root))["attention.html"].text
    assert "no groups left" in text and "the server did not answer" in text


def test_a_notice_on_a_reference_counts_results_of_exclusive_data(partly_exclusive):
    """The finding is public, and so are the names of other results."""
    made = made_from("detector1", SECRET, f"{SECRET}_uncal.fits")
    partly_exclusive.make(made, f"{SECRET}_rate.fits", image_writer(7.5))
    for row in list(partly_exclusive.rows.values()):
        root = row.path.rpartition("/")[2].rpartition("_")[0]
        path = row.path.replace("jw01345/o001/jw02345", "jw02345/o001/jw02345")
        del partly_exclusive.rows[row.path]
        result = f"detector1/{root}" if row.key else ""
        partly_exclusive.rows[path] = replace(row, path=path, result=result)
    partly_exclusive.publish("made")
    finding = ReferenceFinding(name="jwst_nircam_flat_0001.fits", kind="retracted", message="bad")
    references = References(context="c", server="s", files={}, findings=(finding,))
    partly_exclusive.record("references.json", references)

    write_pages(mirror=partly_exclusive.root)

    public, whole = public_site(partly_exclusive.root), exclusive_site(partly_exclusive.root)
    text = pages_of(public)["attention.html"].text
    assert f"made with it: deep: detector1/{EXPOSURE}" in text and SECRET not in text
    assert "results that may be of exclusive data" in text
    assert f"made with it: deep: detector1/{SECRET}" in pages_of(whole)["attention.html"].text


def test_an_observation_with_hidden_results_does_not_say_that_it_needs_nothing(small_mirror):
    """Although none of its own files of MAST is exclusive."""
    secret = small_mirror.hold(
        f"{SECRET}_uncal.fits", image_writer(7.0), program=2345, exclusive=True
    )
    made = made_from("image3", "jw01345-o001_t002_nircam_f200w", secret.filename)
    small_mirror.make(made, "jw01345-o001_t002_nircam_f200w_i2d.fits", image_writer(7.5))
    small_mirror.publish("own mosaic")
    failure = Failure(name="deep: jw01345-o001_t002_nircam_f200w", message=MEASURED)
    small_mirror.record("exposures/b1.json", Receipt(results=(), failures=(failure,)))

    write_pages(mirror=small_mirror.root)

    text = pages_of(public_site(small_mirror.root))["observations/jw01345-o001.html"].text
    assert "Nothing of this observation needs attention" not in text and MEASURED not in text
    assert "1 recalibrated file of exclusive data is not shown" in text


def test_what_became_exclusive_is_removed_also_if_the_record_of_pages_is_gone(small_mirror):
    """After `--rebuild`, and after a kill between drawing and the record."""
    site = write_pages(mirror=small_mirror.root).parent
    page = site / f"products/{EXPOSURE}.html"
    picture = site / "pictures" / "beside-deep-00" / "new.png"
    picture.parent.mkdir(parents=True)
    picture.write_bytes(b"of exclusive data")
    assert page.exists()
    small_mirror.hold(f"{EXPOSURE}_uncal.fits", image_writer(1.0), exclusive=True)
    small_mirror.publish("restricted")

    write_site(mirror=small_mirror.root, budget_s=0, rebuild=True)

    assert not page.exists() and not picture.parent.exists()
    assert (site / "index.html").exists() and site.stat().st_mode & 0o055 == 0o055


def test_a_damaged_record_of_pages_leaves_no_page_of_exclusive_data(small_mirror):
    """All pages are written again, and those that are not needed are removed."""
    site = write_pages(mirror=small_mirror.root).parent
    (site / RECORD).write_text("{")
    small_mirror.hold(f"{EXPOSURE}_uncal.fits", image_writer(1.0), exclusive=True)
    small_mirror.publish("restricted")

    write_pages(mirror=small_mirror.root)

    assert not (site / f"products/{EXPOSURE}.html").exists()


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o055), (0o027, 0o050), (0o077, 0)])
def test_the_umask_decides_who_can_read_the_public_site(small_mirror, umask, mode):
    """Also if it was written with a stricter one before."""
    earlier = os.umask(0o077)
    try:
        write_pages(mirror=small_mirror.root)
        os.umask(umask)
        site = write_pages(mirror=small_mirror.root).parent
    finally:
        os.umask(earlier)

    folders = [site, *(path for path in site.rglob("*") if path.is_dir())]
    assert {path.stat().st_mode & 0o077 for path in folders} == {mode}


def test_pictures_that_a_stricter_umask_closed_are_opened(tmp_path):
    """They are kept, not drawn again."""
    picture = tmp_path / "pictures" / "one" / "new.png"
    picture.parent.mkdir(parents=True)
    picture.touch(0o600)
    earlier = os.umask(0o022)
    try:
        PageFiles(SiteFolder(path=tmp_path, is_public=True, has_other=False)).keep(
            "pictures/one/new.png"
        )
    finally:
        os.umask(earlier)

    assert picture.stat().st_mode & 0o777 == 0o644


def test_members_of_another_group_can_read_the_complete_site(partly_exclusive):
    """All of its pages, although they show the same as before."""
    group = grp.getgrgid(os.getgid()).gr_name
    write_pages(mirror=partly_exclusive.root)

    whole = write_pages(mirror=partly_exclusive.root, group=group).parent

    files = [path for path in whole.rglob("*.html")]
    assert {path.stat().st_mode & 0o777 for path in files} == {0o640}
    assert whole.stat().st_mode & 0o777 == 0o750


def test_a_mistake_of_the_site_does_not_hide_how_a_run_failed(small_mirror, monkeypatch, capsys):
    """The rest of its end is as always."""

    def break_down(**_: object) -> None:
        raise KeyError("a mistake of jwmirror")

    monkeypatch.setattr("jwmirror.services.run.site.write_site", break_down)
    session = RunSession(small_mirror.root, wait=False)
    session.begin()
    write(
        session.files.stopped, Stop(run=session.id, at="2027", rule="query_archive", why="no MAST")
    )

    session.fail()

    printed = capsys.readouterr().err
    assert "The site is as before" in printed and "This run has published nothing" in printed


def test_what_a_run_found_and_could_not_publish_is_exclusive_too(small_mirror):
    """Its failures are on the complete site, although no file of it is published yet."""
    found_only(small_mirror, SECRET, NEW, program=2345)
    failure = Failure(name=f"deep: {SECRET}", message=MEASURED)
    small_mirror.record("exposures/b1.json", Receipt(results=(), failures=(failure,)))

    whole = write_pages(mirror=small_mirror.root).parent

    assert whole == exclusive_site(small_mirror.root) and MEASURED in texts_of(whole)
    assert MEASURED not in texts_of(public_site(small_mirror.root))


def test_exclusive_files_that_a_run_found_close_an_observation(small_mirror):
    """Which has public files: nothing of the new ones is published yet."""
    other = EXPOSURE.replace("_00001_", "_00009_")
    found_only(small_mirror, other, NEW)
    failure = Failure(name=f"deep: {other}", message=MEASURED)
    small_mirror.record("exposures/b1.json", Receipt(results=(), failures=(failure,)))

    whole = write_pages(mirror=small_mirror.root).parent

    assert MEASURED in texts_of(whole)
    assert MEASURED not in texts_of(public_site(small_mirror.root))


def test_files_that_mast_withholds_are_named_on_the_one_site(small_mirror):
    """Nothing of them is in the mirror, and MAST shows their names to everybody."""
    found_only(small_mirror, SECRET, WITHHELD, program=2345)

    site = write_pages(mirror=small_mirror.root).parent

    assert site == public_site(small_mirror.root)
    text = pages_of(site)["attention.html"].text
    assert f"{SECRET}_uncal.fits" in text and "late_exposure" in text
