"""The main job through real snakemake, astroquery, crds and jwst on the simulated observatory."""

import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from operator import itemgetter

import pytest

from demo.__main__ import play, play_step
from demo.acts import ACTS
from demo.site import ROOT, Site
from jwmirror.core.grouping import group_by
from jwmirror.store.generations import Generations
from jwmirror_simulator.telescope.photometry import compare
from tests.conftest import copied_site
from tests.setup.called_commands import all_commands, failed_calls, shown_words
from tests.setup.shown_commands import CALLED_PAGES, DOCS, call_shown
from tests.workflow.test_status import answer, jwmirror, levels

CATALOGUE = "jw01345-o001_t001_nircam_clear-f200w-sub160_cat.ecsv"
DEFAULT_TWEAKREG = {  # what stpipe takes without CRDS
    "snr_threshold": 10.0,
    "kernel_fwhm": 2.5,
    "minobj": 15,
    "expand_refcat": False,
    "searchrad": 2.0,
    "separation": 1.0,
    "tolerance": 0.7,
    "fitgeometry": "rshift",
}


def photometry(site):
    """How the published catalogue of observation 1 in F200W compares with the true sky."""
    folder = site.mirror / "current" / "recalibrated" / "deep" / "jw01345" / "o001"
    return compare(folder / CATALOGUE, site.observatory.truth("o001", "F200W"))


def is_true(found):
    """Whether 95 % of the stars are there, fluxes within 2 %, places within 5 mas."""
    right_flux = abs(found.flux_ratio - 1) < 0.02
    return found.recovered >= 0.95 and right_flux and found.offset_mas < 5


@dataclass
class Played:
    """What was seen while the demo was played, at the edit of a parameter in its last act."""

    site: Site
    before: dict  # status
    page: str  # of status, after the edit
    plan: dict
    requests: int  # at MAST for these
    computed: dict[str, int]  # by the run that follows
    after: dict  # status


@pytest.fixture(scope="module")
def played(tmp_path_factory, mirrored) -> Iterator[Played]:
    """A site after the four acts of the demo; the first one made the shared site."""
    with copied_site(mirrored, tmp_path_factory.mktemp("acts") / "site") as site:
        play(site, ACTS[1:3])
        edit, restore = ACTS[3].steps
        before, asked = answer(site, "status"), len(site.observatory.archive.requests)
        edit.change(site)
        page, plan = jwmirror(site, "status"), answer(site, "plan")
        requests = len(site.observatory.archive.requests) - asked
        play_step(site, edit)
        seen = Played(
            site, before, page, plan, requests, site.tally().computed, answer(site, "status")
        )
        play_step(site, restore)
        yield seen


@pytest.mark.slow
def test_demo_s_four_acts_do_exactly_what_they_should(played):
    """Mirror, reprocessing, new context, changed and restored parameter: counted each time."""
    assert is_true(photometry(played.site))


@pytest.mark.slow
def test_status_tells_what_an_edited_parameter_makes_out_of_date(played):
    """Counts and reasons are those of the run that follows; MAST and CRDS are not asked."""
    assert (played.before["out_of_date"], played.after["out_of_date"]) == ([], [])
    why = "ramp_fit.firstgroup null -> 1 (detector1, line "
    assert f"deep: 10 exposures and 3 associations out of date: {why}" in played.page
    found = played.plan["out_of_date"]
    assert levels(played.plan) == {"exposure": 10, "association": 3}
    (cause,) = {reason for each in found for reason in each["reasons"]}
    assert cause.startswith(why) and " of " in cause
    assert played.computed == Counter(name for each in found for name in each["pipelines"])
    assert played.requests == 0


@pytest.mark.slow
def test_tutorial_and_how_tos_show_what_commands_print(played, tmp_path):
    """Every command of these pages, in order, on the mirror that the demo leaves."""
    with copied_site(played.site.folder, tmp_path / "demo") as site:
        shown = [each for page in CALLED_PAGES for each in call_shown(DOCS / page, site)]

    assert (
        "\n".join(f"{each.command}\n{each.difference}" for each in shown if each.difference) == ""
    )
    assert len(shown) > 25


@pytest.mark.slow
def test_all_other_commands_of_pages_work(played, tmp_path):
    """Those of all pages for users, also the ones in the text, on the mirror of the demo."""
    commands = [words for words in all_commands() if words not in shown_words()]

    with copied_site(played.site.folder, tmp_path / "demo") as site:
        failed = failed_calls(commands, site)

    assert failed == {}


@pytest.mark.slow
def test_parameters_changed_and_changed_back_give_the_first_state(site):
    """A -> B -> A: the third state is the first, byte for byte, and nothing is computed for it.

    Nor for another recipe with the same parameters; status says so before the run. In state A the
    catalogue agrees with the sky; in B, with tweakreg as it is by default, it does not.
    """
    first, stars = site.entries(), photometry(site)
    site.configure(recipes={"deep": {"parameters": {"image3": {"tweakreg": DEFAULT_TWEAKREG}}}})
    site.snakemake()
    second, computed, blurred = site.entries(), site.tally().computed, photometry(site)
    site.configure(recipes={"twin": {"extends": "deep", "stages": [1, 2]}})
    out_of_date = group_by(answer(site, "status")["out_of_date"], itemgetter("recipe"))

    site.snakemake()

    assert is_true(stars) and not is_true(blurred), (stars, blurred)
    assert computed == {"image3": 3} and second != first
    deep, twin = out_of_date["deep"], out_of_date["twin"]
    assert [(each["pipelines"], each["ready"]) for each in deep] == [([], ["image3"])] * 3
    assert any(why.startswith("tweakreg.tolerance 0.7 -> 0.12") for why in deep[0]["reasons"])
    assert {(*each["ready"], *each["reasons"]) for each in twin} == {
        ("detector1", "image2", "already computed, not published yet")
    }
    assert (len(twin), site.tally().computed) == (10, {})
    third = {path: row for path, row in site.entries().items() if row.origin != "twin"}
    assert third == first
    for path, entry in first.items():
        assert (
            Generations(site.mirror)
            .objects.path(entry.sha256)
            .samefile(site.mirror / "current" / path)
        )


@pytest.mark.slow
def test_dry_run_works_before_and_after(fresh_site, site):
    """`snakemake -n` shows the flow on a mirror that is not there yet, and on one that is."""
    before = fresh_site.snakemake("-n", profile="profiles/default")
    after = site.snakemake("-n", profile="profiles/default")

    assert "query_archive" in before and "query_archive" in after
    assert not fresh_site.mirror.exists()


def test_workflow_is_lint_free():
    """`snakemake --lint` finds nothing to say."""
    done = subprocess.run(
        [sys.executable, "-m", "snakemake", "--lint"], cwd=ROOT, capture_output=True, text=True
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert "in a good condition" in done.stdout + done.stderr
