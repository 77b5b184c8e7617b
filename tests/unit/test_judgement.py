"""The judgement of a mirror's results, and what is published because of it."""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from jwmirror.core.errors import StoreError
from jwmirror.core.model import Plan, References, Result, ResultFile, Wait, read, write
from jwmirror.core.model.plan import ProvenanceRecord, Published, ReferenceFinding
from jwmirror.core.model.quality import CAVEAT, Measurements
from jwmirror.services.inspect.explain import explain_file
from jwmirror.services.maintain.accept import accept_result
from jwmirror.services.run.conclude import conclude_run
from jwmirror.services.run.quality import judgement
from jwmirror.services.run.quality.publication import JudgedRows, PublicationPolicy, judged_rows
from jwmirror.services.run.site import write_site
from jwmirror.store.entries import with_quality
from jwmirror.store.generations import Generations
from jwmirror.store.maintenance.prune import prune
from jwmirror.store.maintenance.retention import RetentionPolicy
from jwmirror.store.objects import Objects
from jwmirror.store.provenance import Provenance
from jwmirror.store.runs import RunFiles
from tests.setup import records
from tests.setup.command_line import run
from tests.setup.mirrors import RUN, SmallMirror

CONTEXT = "jwst_0001.pmap"
HOLD = PublicationPolicy(holding=["deep"])
MARK = PublicationPolicy()
GOOD = {"usable": 0.95, "nan": 0.01, "median": 1.0, "noise": 0.1}
BAD = {"steps": {"jump": "FAILED"}}
PIPELINE = {"rate": "detector1", "cal": "image2", "i2d": "image3", "x1d": "spec2"}


class Results:
    """Results in a mirror with measurements made by hand."""

    def __init__(self, root: Path):
        self.mirror = SmallMirror(root=root)
        self.root = root
        self.results: dict[str, Result] = {}
        self.findings: tuple[ReferenceFinding, ...] = ()

    def make(
        self,
        suffix: str,
        *made_of: str,
        replaced="",
        steps=None,
        parameters=None,
        own="",
        excluded=(),
        **values,
    ) -> Result:
        """Store a result of one file, made of the current results of other suffixes."""
        name, version = f"x_{suffix}.fits", len(list((self.root / "provenance").glob("*")))
        sha256, size = self.mirror.take(lambda path: path.write_text(f"{name} {version}"))
        facts = {"sha256": sha256, "size": size, "identity": f"{suffix}-{version}"}
        file = ResultFile(filename=name, **facts)
        members = [self.results[each].files[0] for each in made_of]
        inputs = tuple(records.science(each.filename, each.identity) for each in members)
        derivation = records.derivation(
            PIPELINE[suffix],
            "x",
            inputs=inputs,
            parameters=parameters or {},
            references={
                "flat": (f"flat_{version}.fits", "5a"),
                "flat_field.override_flat": ("my_flat.fits", own),
            },
        )
        measurements = Measurements(
            instrument="NIRCAM",
            exp_type="NRC_IMAGE",
            steps=steps or {},
            files={name: {**GOOD, **values}},
        )
        record = ProvenanceRecord(
            key=f"{version:064d}",
            derivation=derivation,
            files=(file,),
            seconds=1.0,
            peak_memory=1,
            made_at="2026-03-01T12:00:00+00:00",
            measurements=measurements,
            replaced=replaced,
            excluded=dict.fromkeys(excluded, "guide star lost"),
        )
        Provenance(self.root).record_once(record)
        result = records.result(PIPELINE[suffix], "x", file, key=record.key)
        self.results[suffix] = result
        return result

    def judge(self, policy: PublicationPolicy = MARK, upstream=()) -> JudgedRows:
        """What a run that found these results publishes."""
        references = References(context=CONTEXT, server="", files={}, findings=self.findings)
        plan = Plan(context=CONTEXT, done=tuple(self.results.values()))
        before = Generations(self.root).entries()
        return judged_rows(self.root, before, upstream, references, [plan], [], policy)

    def publish(self, policy: PublicationPolicy = MARK) -> dict[str, str]:
        """Publish, and return the quality of each published file."""
        judged, files = self.judge(policy), RunFiles(self.root / "receipts/runs" / RUN)
        write(files.held_back, judged.held_back)
        generations = Generations(self.root)
        generations.publish(judged.rows, "a run", {"run": RUN})
        write(files.published, Published(generation=1, is_new=True))
        return {row.filename: row.quality for row in generations.entries()}

    def shas(self) -> dict[str, str]:
        """The content of each published file."""
        return {row.filename: row.sha256 for row in Generations(self.root).entries()}


@pytest.fixture
def results(tmp_path) -> Results:
    """An empty mirror."""
    return Results(tmp_path / "mirror")


def rejudged(results: Results, monkeypatch) -> list[str]:
    """The keys whose records a run reads to judge."""
    read, keys = Provenance.read, []

    def spy(self, key):
        keys.append(key)
        return read(self, key)

    monkeypatch.setattr(Provenance, "read", spy)
    results.judge()
    return keys


def test_results_are_published_with_their_quality_through_all_stages(results):
    """A failed step of stage 1 is a caveat of the mosaic, whose record names the member."""
    results.make("rate", **BAD)
    results.make("cal", "rate")
    results.make("i2d", "cal")

    assert results.publish() == dict.fromkeys(("x_rate.fits", "x_cal.fits", "x_i2d.fits"), CAVEAT)
    caveats = {row.filename: row.caveats for row in Generations(results.root).entries()}
    assert '"inherited":["step failed"],"is_provisional":false' in caveats["x_i2d.fits"]


def test_a_grism_spectrum_inherits_the_caveats_of_its_direct_image(results):
    """Its stage 2 is judged after stage 3 of the image, in whatever order a run has them."""
    results.make("i2d", **BAD)
    results.make("x1d", "i2d")
    results.results = {suffix: results.results[suffix] for suffix in ("x1d", "i2d")}

    assert results.publish()["x_x1d.fits"] == CAVEAT


def test_an_unchanged_run_reads_no_provenance_to_judge(results, monkeypatch):
    """And gets the same rows; a new acceptance or finding is judged."""
    results.make("rate", **BAD)
    results.publish()

    first = results.judge().rows

    assert rejudged(results, monkeypatch) == []
    assert results.judge().rows == first
    results.findings = (ReferenceFinding(name="flat_0.fits", kind="retracted", message="bad"),)
    assert rejudged(results, monkeypatch) != []


def test_a_held_result_is_not_published_and_its_consumers_are_held_with_it(results):
    """The version that was published before stays; none is there if there was none."""
    results.make("rate")
    results.publish(HOLD)
    good = results.shas()
    results.make("rate", **BAD)
    results.make("cal", "rate")

    published = results.publish(HOLD)

    assert (published, results.shas()) == ({"x_rate.fits": "sound"}, good)
    held_back = results.judge(HOLD).held_back
    assert [(each.pipeline, each.quality.word) for each in held_back] == [
        ("detector1", CAVEAT),
        ("image2", CAVEAT),
    ]


def test_the_same_results_are_marked_by_default(results):
    """They replace those before."""
    results.make("rate")
    results.publish()
    good = results.shas()
    results.make("rate", **BAD)

    assert results.publish(MARK) == {"x_rate.fits": CAVEAT}
    assert results.shas() != good


def test_a_published_result_is_not_taken_back_by_a_later_hold(results):
    """It is the version that was published before."""
    results.make("rate", **BAD)
    results.publish(MARK)

    assert results.publish(HOLD) == {"x_rate.fits": CAVEAT}
    assert results.judge(HOLD).held_back == ()


def test_a_published_result_that_was_computed_again_is_held_back(results):
    """Under the key of the one that was invalidated; its former files stay published."""
    bad = results.make("rate", **BAD)
    results.publish(MARK)
    sha256, size = results.mirror.take(lambda path: path.write_text("computed again"))
    again = replace(bad.files[0], sha256=sha256, size=size)
    results.results["rate"] = replace(bad, files=(again,))

    judged = results.judge(HOLD)

    assert [each.files for each in judged.held_back] == [(again,)]
    assert [row.sha256 for row in judged.rows] == [bad.files[0].sha256]


def test_an_invalidated_result_has_a_caveat_until_it_is_computed_again(results):
    """It stays published while its new computation waits or fails; what is made of it inherits."""
    rate = results.make("rate")
    results.make("cal", "rate")
    results.publish()
    Provenance(results.root).invalidate([rate.key], "wrong flat")
    waits = (Wait(recipe="deep", product="x", why="unsettled"),)
    plan = Plan(context=CONTEXT, waits=waits)
    references = References(context=CONTEXT, server="", files={})
    before = Generations(results.root).entries()

    rows = judged_rows(results.root, before, (), references, [plan], [], MARK).rows

    caveats = {row.filename: row.caveats for row in rows}
    assert [row.quality for row in rows] == [CAVEAT, CAVEAT]
    assert '"cause":"invalidated"' in caveats["x_rate.fits"]
    assert "not computed again since: wrong flat" in caveats["x_rate.fits"]
    assert '"inherited":["invalidated"]' in caveats["x_cal.fits"]
    assert results.publish() == {"x_rate.fits": CAVEAT, "x_cal.fits": CAVEAT}
    (results.root / "invalidated" / f"{rate.key}.json").unlink()  # as when it is computed again
    assert results.publish() == {"x_rate.fits": "sound", "x_cal.fits": "sound"}


def test_what_is_held_back_is_known_while_a_later_run_has_not_published(results):
    """It may be running, or have failed: the result can be explained and accepted."""
    results.make("rate", **BAD)
    results.publish(HOLD)
    (results.root / "receipts/runs/29990101T000000.000000Z-1").mkdir()

    (found,) = explain_file(results.root, "x_rate.fits", None, None, ()).files
    accept_result(results.root, "x_rate.fits", "fine", None, dry_run=False)

    assert not found.is_published
    assert results.publish(HOLD) == {"x_rate.fits": CAVEAT}


def test_a_failed_result_is_never_published(results):
    """Whatever the recipe says; what was made of it has a caveat."""
    results.make("rate", usable=0.0)
    results.make("cal", "rate")

    assert results.publish(MARK) == {"x_cal.fits": CAVEAT}
    assert [each.quality.word for each in results.judge(MARK).held_back] == ["failed"]
    with pytest.raises(StoreError, match="never published"):
        accept_result(results.root, "x_rate.fits", "I need it", None, dry_run=False)


def test_a_provisional_threshold_never_holds_back(results):
    """It marks."""
    results.make("rate", nan=0.9)

    assert results.publish(HOLD) == {"x_rate.fits": CAVEAT}


def test_an_accepted_result_is_published_and_says_so(results):
    """With its consumer; the quality stays, and a later caveat is not covered."""
    results.make("rate", **BAD)
    results.make("cal", "rate")
    results.publish(HOLD)

    tried = accept_result(results.root, "x_rate.fits", "why", None, dry_run=True)
    assert results.publish(HOLD) == {}
    accept_result(results.root, "x_rate.fits", "jumps do not matter here", None, dry_run=False)

    caveats = [(each.product, c.cause, c.subject) for each in tried for c in each.caveats]
    assert caveats == [("x", "step failed", "jump")]
    assert results.publish(HOLD) == {"x_rate.fits": CAVEAT, "x_cal.fits": CAVEAT}
    rows = Generations(results.root).entries()
    assert all("jumps do not matter here" in row.caveats for row in rows)
    results.findings = (ReferenceFinding(name="flat_0.fits", kind="retracted", message="bad"),)
    assert '"accepted":""' in next(iter(results.judge(HOLD).rows)).caveats


def test_a_beginning_of_several_keys_accepts_nothing(results):
    """They are listed; a product's root means its results of all stages."""
    keys = [results.make("rate", **BAD).key, results.make("cal", **BAD).key]
    results.publish()

    with pytest.raises(StoreError, match=f"found 2: {', '.join(keys)}"):
        accept_result(results.root, "0" * 8, "why", None, dry_run=False)

    assert not (results.root / "accepted").exists()
    assert len(accept_result(results.root, "x", "why", None, dry_run=True)) == 2


def test_a_retracted_reference_is_not_accepted_with_one_that_was_not_verified(results):
    """The reference is the same, the caveat is not."""
    results.make("rate")
    results.findings = (ReferenceFinding(name="flat_0.fits", kind="unverified", message="no sum"),)
    results.publish()
    accept_result(results.root, "x_rate.fits", "its size is right", None, dry_run=False)
    results.publish()
    assert "its size is right" in next(iter(Generations(results.root).entries())).caveats

    results.findings = (ReferenceFinding(name="flat_0.fits", kind="retracted", message="invalid"),)

    assert '"accepted":""' in results.judge().rows[0].caveats


def test_another_caveat_of_a_member_is_not_accepted_with_the_one_before(results):
    """Also if the mosaic, not the member, was accepted."""
    results.make("rate", **BAD)
    cal = results.make("cal", "rate")
    results.publish()
    accept_result(results.root, cal.key, "jumps do not matter here", None, dry_run=False)
    results.publish()
    assert results.judge(HOLD).held_back == ()
    results.findings = (ReferenceFinding(name="flat_0.fits", kind="retracted", message="bad"),)

    (row,) = [row for row in results.judge().rows if row.filename == "x_cal.fits"]

    assert '"accepted":""' in row.caveats


@pytest.mark.parametrize(("now", "is_accepted"), [(2.0, True), (9.0, False)])
def test_another_difference_from_masts_product_is_not_accepted(
    results, monkeypatch, now, is_accepted
):
    """MAST may reprocess it after the acceptance."""
    level = {"value": 2.0}
    monkeypatch.setattr(
        judgement,
        "stored_quantities",
        lambda mirror, sha256, name: {**GOOD, "median": level["value"]},
    )
    results.make("rate")
    upstream = [records.entry(records.product("x_rate.fits"), sha256="11")]
    Generations(results.root).publish(results.judge(MARK, upstream).rows, "a run", {})
    accept_result(results.root, "x_rate.fits", "MAST is wrong", None, dry_run=False)
    level["value"], upstream = now, [replace(upstream[0], sha256="22")]

    (row,) = results.judge(MARK, upstream).rows

    assert ("MAST is wrong" in row.caveats) == is_accepted


def test_an_earlier_result_is_compared_with_masts_product_as_before(results, monkeypatch):
    """It does not become sound because its successor waits."""
    monkeypatch.setattr(
        judgement, "stored_quantities", lambda mirror, sha256, name: {**GOOD, "median": 9.0}
    )
    results.make("rate")
    upstream = [records.entry(records.product("x_rate.fits"), sha256="11")]
    published = results.judge(MARK, upstream).rows
    Generations(results.root).publish(published, "a run", {})
    plan = Plan(context=CONTEXT, waits=(Wait(recipe="deep", product="x", why="unsettled"),))
    references = References(context=CONTEXT, server="", files={})
    before = Generations(results.root).entries()

    rows = judged_rows(results.root, before, upstream, references, [plan], [], MARK).rows

    assert [row.quality for row in (*published, *rows)] == [CAVEAT, CAVEAT]


@pytest.mark.parametrize(
    ("name", "recipe", "message"),
    [
        ("x_rate.fits", None, "has no caveats"),
        ("y_rate.fits", None, "no result has a file of that name"),
        ("x_rate.fits", "quick", "no result of recipe quick"),
    ],
)
def test_accept_refuses_what_is_sound_or_unknown(results, name, recipe, message):
    """With the next step."""
    results.make("rate")
    results.publish()

    with pytest.raises(StoreError, match=message) as error:
        accept_result(results.root, name, "why", recipe, dry_run=False)

    assert "`jwmirror status` lists" in str(error.value)


def test_a_threshold_there_and_back_gives_the_same_qualities(results, tmp_path):
    """Only the rows change: the files are the same."""
    results.make("rate", nan=0.2)
    own = tmp_path / "own.yaml"
    own.write_text("thresholds: {missing pixels: {value: 0.1}}")

    first, files = results.publish(), results.shas()
    stricter = results.publish(PublicationPolicy(thresholds=str(own)))
    again = results.publish()

    assert [first, stricter, again] == [
        {"x_rate.fits": word} for word in ("sound", CAVEAT, "sound")
    ]
    assert results.shas() == files


def test_a_flux_scale_is_compared_with_the_result_before_unless_the_user_asked(results):
    """Also if the user changed the parameters of the stage before."""
    before = {suffix: results.make(suffix).key for suffix in ("rate", "cal")}
    results.make("rate", replaced=before["rate"], median=2.0, noise=0.2)
    assert results.publish()["x_rate.fits"] == CAVEAT

    results.make("rate", replaced=before["rate"], parameters={"new": 1}, median=2.0, noise=0.2)
    results.make("cal", "rate", replaced=before["cal"], median=2.0, noise=0.2)

    assert results.publish() == {"x_rate.fits": "sound", "x_cal.fits": CAVEAT}


def test_a_changed_member_that_the_user_asked_for_excuses_what_is_made_of_it(results):
    """The parameters of stage 2 are equal, but its input changed on purpose."""
    old_rate = results.make("rate")
    old_cal = results.make("cal", "rate")
    results.make("rate", replaced=old_rate.key, parameters={"new": 1}, median=2.0, noise=0.2)
    results.make("cal", "rate", replaced=old_cal.key, median=2.0, noise=0.2)

    assert results.publish() == {"x_rate.fits": "sound", "x_cal.fits": "sound"}


def test_a_changed_override_file_excuses_another_flux_scale(results):
    """It is the user's, as parameters are."""
    old = results.make("rate")
    results.make("rate", replaced=old.key, own="other bytes", median=2.0, noise=0.2)

    assert results.publish() == {"x_rate.fits": "sound"}


def test_an_excluded_exposure_excuses_another_flux_scale(results):
    """The user asked for a mosaic of the others; so does one who takes it back."""
    full = results.make("i2d")
    less = results.make("i2d", replaced=full.key, excluded=["y_cal.fits"], median=2.0, noise=0.2)
    assert results.publish() == {"x_i2d.fits": "sound"}

    results.make("i2d", replaced=less.key)

    assert results.publish() == {"x_i2d.fits": "sound"}


def test_an_earlier_result_keeps_its_members_caveats(results):
    """When its member has a successor, and its own successor is held back or failed."""
    results.make("rate", **BAD)
    results.make("cal", "rate")
    results.publish()
    results.make("rate")
    del results.results["cal"]
    waiting = Plan(
        context=CONTEXT,
        done=tuple(results.results.values()),
        waits=(Wait(recipe="deep", product="x", why="a member failed"),),
    )
    references = References(context=CONTEXT, server="", files={})

    for _ in range(2):
        before = Generations(results.root).entries()
        rows = judged_rows(results.root, before, (), references, [waiting], [], MARK).rows
        Generations(results.root).publish(rows, "a run", {})

    words = {row.filename: (row.quality, row.caveats[:24]) for row in rows}
    assert words["x_rate.fits"][0] == "sound"
    assert words["x_cal.fits"][0] == CAVEAT


def test_results_of_files_that_are_not_selected_any_more_are_judged_too(results):
    """Their reference may be retracted as any other."""
    results.make("rate")
    results.publish()
    results.results = {}
    results.findings = (ReferenceFinding(name="flat_0.fits", kind="retracted", message="bad"),)

    judged = results.judge()

    (row,) = with_quality(Generations(results.root).entries(), judged.qualities)
    assert (judged.rows, row.quality) == ((), CAVEAT)


def test_the_end_of_a_run_lists_what_to_look_at_and_is_an_error_if_strict(results):
    """Accepted results are not listed."""
    results.make("rate", **BAD)
    results.publish(HOLD)
    run = {"mirror": results.root, "run": RunFiles(results.root / "receipts/runs" / RUN).folder}
    run |= {"published": Published(generation=1, is_new=False), "page": "page.html"}

    plain, strict = conclude_run(**run), conclude_run(**run, strict=True)
    accept_result(results.root, "x_rate.fits", "fine", None, dry_run=False)
    results.publish(HOLD)

    assert "Look at these first (1)" in plain.summary
    assert "deep: x (detector1): caveat (step failed); not published" in plain.summary
    assert plain.error == ""
    assert "not sound, although `strict` is set in the config (1)" in strict.error
    assert conclude_run(**run, strict=True).error == ""


def test_explain_shows_a_result_that_is_not_published(results):
    """With its quality and what was measured."""
    results.make("rate", **BAD)
    results.publish(HOLD)

    (found,) = explain_file(results.root, "x_rate.fits", None, None, ()).files

    assert (found.is_published, found.quality.word) == (False, CAVEAT)
    assert found.record.measurements.files["x_rate.fits"]["median"] == 1.0


def test_a_result_is_compared_with_one_that_an_older_jwmirror_did_not_measure(results):
    """The stored files of the result before are measured for that."""
    first = results.make("rate")
    path, image = results.root / "x_rate.fits", np.full((8, 8), 3.0, "f4")
    fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(image, name="SCI")]).writeto(path)
    sha256 = Objects(results.root).add(path)
    old = Provenance(results.root).path(first.key)
    record = replace(read(old, ProvenanceRecord), measurements=None)
    write(old, replace(record, files=(replace(record.files[0], sha256=sha256),)))

    results.make("rate", replaced=first.key, median=1.0)

    (row,) = results.judge().rows
    assert '"cause":"level"' in row.caveats


def test_pages_show_the_quality_and_the_next_step(results):
    """Those of status, explain and accept."""
    results.make("rate", **BAD)
    results.publish()
    place = ("--mirror", results.root)

    status, explained = run("status", *place), run("explain", "x_rate.fits", *place)
    tried = run("accept", "x", "--because", "fine", "--dry-run", *place)
    run("accept", "x", "--because", "fine", *place)
    results.publish()

    assert "Published are the results of 1 pipeline call. Their quality: 1 caveat" in status
    assert "deep: x (detector1): caveat (step failed)  [step jump failed;" in status
    assert "Quality: caveat (step failed)" in explained and "median" in explained
    assert "deep: x (detector1) would be accepted: step failed (jump)" in tried
    assert "caveat, accepted (step failed)" in run("status", *place)


@pytest.mark.parametrize(("text", "code"), [(" ", 2), ("caf\udce9", 0), ("a\nb [x]", 0)])
def test_any_reason_but_none_is_recorded(results, text, code):
    """Bytes that are no UTF-8, lines and brackets do no harm; for invalidate it is optional."""
    results.make("rate", parameters={"steps": {}}, **BAD)
    results.publish()
    place = ("--because", text, "--mirror", results.root)

    printed = run("accept", "x_rate.fits", *place, code=code)
    run("invalidate", "--result", "x_rate.fits", *place)
    results.publish()

    assert "Traceback" not in printed
    assert ("accepted" in run("status", "--mirror", results.root)) == (code == 0)


def test_the_report_lists_what_to_look_at_first(results, tmp_path):
    """With the quality of each result."""
    results.make("rate", **BAD)
    results.publish(HOLD)

    page = write_site(mirror=results.root).with_name("attention.html")

    assert "detector1: caveat (step failed); not published" in page.read_text()


def test_prune_keeps_what_is_held_back(results):
    """So that the next run need not compute it again."""
    rate = results.make("rate", **BAD)
    results.publish(HOLD)
    os.utime(Objects(results.root).path(rate.files[0].sha256), (0, 0))

    prune(results.root, RetentionPolicy(keep_last=1))

    assert Provenance(results.root).recall(rate.key) is not None
