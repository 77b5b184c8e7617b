"""Findings about references: which results they are about, and where they are shown."""

from dataclasses import replace

import pytest

from jwmirror.core.model import References
from jwmirror.core.model.plan import Published, ReferenceFinding
from jwmirror.crds.affected import current_findings
from jwmirror.services.run.conclude import conclude_run
from jwmirror.services.run.site import write_site
from tests.setup.command_line import answer, run
from tests.setup.mirrors import EXPOSURE, SmallMirror, image_writer, made_from

FLAT, USED = "jwst_nircam_flat_0001.fits", "5a" * 20
RMAP, CONTEXT = "jwst_nircam_flat_0001.rmap", "jwst_1464.pmap"
NOW = References(context=CONTEXT, server="s", files={FLAT: USED}, mappings={RMAP: "5b" * 20})
UNUSED = replace(NOW, files={}, mappings={})


def finding(name: str = FLAT, kind: str = "retracted", **fields: object) -> ReferenceFinding:
    """A finding about a file."""
    return ReferenceFinding(name=name, kind=kind, message="CRDS says so", **fields)


@pytest.fixture
def mirror(small_mirror) -> SmallMirror:
    """A second generation with a result of another flat beside the two of the first."""
    other = replace(
        made_from("image2", EXPOSURE, "x_rate.fits"), references={"flat": ("b.fits", "c")}
    )
    small_mirror.make(other, f"{EXPOSURE}_cal.fits", image_writer(4.0))
    for path, row in small_mirror.rows.items():
        if row.key:
            small_mirror.rows[path] = replace(row, result=f"made/{row.filename}")
    small_mirror.publish()
    return small_mirror


@pytest.mark.parametrize(
    ("found", "count"),
    [
        (finding(), 4),  # two results, as generation 1 and generation 2 describe them
        (finding(kind="corrected", sha1=USED), 4),
        (finding(RMAP, "corrected", sha1="0" * 40, contexts=(CONTEXT,)), 4),
    ],
)
def test_a_finding_is_about_the_results_that_used_the_file(mirror, found, count):
    """Of every kept generation, also if the file is not in use any more."""
    findings = current_findings([found], UNUSED, None, mirror.root)

    assert [each.name for each in findings] == [found.name]
    assert len(findings[found]) == count
    assert {number for each in findings[found] for number in each.generations} == {1, 2}
    assert all("_cal.fits" not in each.result for each in findings[found])


@pytest.mark.parametrize(
    "found",
    [
        finding("jwst_miri_flat_0001.fits"),
        finding(kind="corrected", sha1="0" * 40),  # no result used these bytes
        finding(RMAP, contexts=("jwst_0001.pmap",)),
        finding("jwst_nircam_linearity_0001.rmap", contexts=(CONTEXT,)),
    ],
)
def test_a_finding_about_files_that_nothing_used_is_left_out(mirror, found):
    """Other mirrors may share the cache."""
    assert current_findings([found], UNUSED, None, mirror.root) == {}


def test_a_retracted_file_in_use_is_reported_without_results(mirror):
    """The plans refuse it, so that there may never be any."""
    found = finding("jwst_nircam_flat_0007.fits")

    now = replace(NOW, files={found.name: USED})

    assert current_findings([found], now, None, mirror.root) == {found: ()}


def test_a_doubt_about_a_reference_remains_while_crds_does_not_answer(mirror):
    """CRDS lists it as rejected: its results do not become sound because the server is down."""
    rejected = finding(kind="unverified")
    last = replace(NOW, findings=(rejected,))

    silent = current_findings([], replace(NOW, unwatched="no answer"), last, mirror.root)

    assert [each.name for each in silent] == [FLAT]
    assert current_findings([], NOW, last, mirror.root) == {}


def test_a_finding_is_new_once_and_a_correction_stays_while_results_have_it(mirror):
    """The next sync does not find a correction again; a retraction that ended is gone."""
    corrected, retracted = finding(kind="corrected", sha1=USED), finding(RMAP)
    last = replace(NOW, findings=(corrected, retracted, finding("a.fits", "corrected", sha1="1")))

    (carried,) = current_findings([], NOW, last, mirror.root)
    again = current_findings([retracted], NOW, last, mirror.root)

    assert carried == replace(corrected, is_new=False)
    assert set(again) == {carried, replace(retracted, is_new=False)}


def test_findings_are_shown_with_their_results(mirror):
    """At the end of the run, on the site, in status, and as JSON."""
    found = finding(kind="corrected", sha1=USED)
    mirror.record("references.json", replace(NOW, findings=(found,)))
    published = Published(generation=2, is_new=True)

    summary = conclude_run(
        mirror=mirror.root, run=mirror.run_folder, published=published, page="p"
    ).summary
    page = write_site(mirror=mirror.root).with_name("attention.html")
    status = run("status", "--mirror", mirror.root, "--all")
    (notice,) = answer("status", "--json", "--mirror", mirror.root)["references"]

    rate = f"deep: made/{EXPOSURE}_rate.fits"
    assert f"corrected {FLAT}: CRDS says so" in summary and f"made with it: {rate}" in summary
    assert f"corrected  {FLAT}  [CRDS says so]" in status and f"made with it: {rate}" in status
    assert (notice["kind"], notice["file"], len(notice["results"])) == ("corrected", FLAT, 4)
    assert "CRDS says so" in page.read_text() and rate in page.read_text()
