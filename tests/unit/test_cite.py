"""`jwmirror cite`: what a paper says about the data of a generation."""

import html
import os
import re
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import pytest

from jwmirror.core.model import Recipe, Where, canonical
from jwmirror.core.model.recipe import Exclusion
from jwmirror.core.model.stored import Setup
from jwmirror.planning.resolvers.local import ResolvedStage
from jwmirror.services.inspect.answers import changed_parameters as changed
from jwmirror.services.inspect.answers.bibliography import ENTRIES
from jwmirror.services.inspect.answers.citation import cite_generation
from jwmirror.services.run.site import write_site
from jwmirror.store.generations import Generations
from jwmirror.store.manifest import Entries
from tests.setup import records
from tests.setup.command_line import answer, run
from tests.setup.mirrors import EXPOSURE, MOSAIC, made_from

VERSIONS = {"jwst": "3.0.0", "astropy": "7.2.0", "crds": "14.0.3", "numpy": "2.4.0"}
DEEP = Recipe(
    name="deep",
    programs=(),
    parameters={
        "detector1": {"jump": {"rejection_threshold": 5.5}},
        "image3": {"tweakreg": {"abs_refcat": "GAIADR3"}},
    },
    where=(Where(match={"detector": "NRCB1"}, parameters={"detector1": {"ramp_fit": {"n": 1}}}),),
    exclude=(Exclusion(match={"file": "jw01345001001_02101_00009_*"}, because="100% stray light"),),
)


class OwnValues:
    """What the pipeline and CRDS would set, in place of a jwst with references."""

    engine: ClassVar = {"jwst": "3.0.0", "stcal": "1.15.0"}

    def of(self, python, context):
        """The same for each environment and context."""
        return self

    def resolve(self, pipeline, header, asked):
        """Two values of one step."""
        steps = {"photom": {"skip": False, "threshold": 3.0, "other": 1}}
        return ResolvedStage(parameters={"steps": steps}, references={})


@pytest.fixture
def compared(empty_mirror, monkeypatch):
    """A function that cites a result with a threshold of 4.0, of a recipe with these parameters."""

    def resolvers(*_):
        monkeypatch.setenv("CRDS_CONTEXT", "jwst_9999.pmap")
        return OwnValues()

    monkeypatch.delenv("CRDS_CONTEXT", raising=False)
    monkeypatch.setattr(changed, "_resolvers", resolvers)
    monkeypatch.setattr(changed, "science_headers", lambda *_: ["{}"])
    made = made_from("image2", EXPOSURE, "x_rate.fits", photom={"threshold": 4.0, "other": 1})
    empty_mirror.make(made, f"{EXPOSURE}_cal.fits", lambda path: path.write_bytes(b"x"))

    def cite(parameters, where=()):
        recipe = Recipe(name="deep", programs=(), parameters=parameters, where=where)
        setup = Setup(config={}, recipes=(recipe,), software={"": VERSIONS})
        rows = [*empty_mirror.rows.values()]
        Generations(empty_mirror.root).publish(rows, "", {"n": str(parameters)}, setup=setup)
        (found,) = cite_generation(empty_mirror.root).recipes
        return found

    return cite


def test_parameters_that_the_pipeline_would_have_set_so_are_left_out(compared, monkeypatch):
    """By their values in the results; if that is not known, all that the recipe sets is there."""
    said = {"image2": {"photom": {"threshold": 4, "other": 1}}}
    block = Where(match={"detector": "NRCA1"}, parameters={"image2": {"photom": {"threshold": 9}}})

    found = compared(said, (block,))
    monkeypatch.setattr(OwnValues, "engine", {"jwst": "2.0.0"})
    unknown = compared(said, (block,))

    assert "CRDS_CONTEXT" not in os.environ
    assert found.is_compared and not unknown.is_compared
    assert [(each.name, each.value) for each in found.parameters] == [
        ("image2.photom.threshold", "4")
    ]
    assert len(unknown.parameters) == 3


def test_the_headers_of_inputs_are_those_of_mast(small_mirror):
    """A recipe has files of the same names."""
    files = changed.FilesOfMast(Generations(small_mirror.root).entries())

    assert files[f"{MOSAIC}_i2d.fits"].origin == "upstream"
    assert "none.fits" not in files and set(files) == {
        row.filename for row in small_mirror.rows.values() if not row.key
    }


def test_a_recipe_whose_values_are_the_same_sets_nothing(compared):
    """The paragraph says so."""
    found = compared({"image2": {"photom": {"other": 1}}})

    assert found.is_compared and found.parameters == ()


@pytest.fixture
def cited(small_mirror):
    """The small mirror, whose last generation has the config of its run."""
    rows = [
        replace(row, result="image3/x") if row.key else row for row in small_mirror.rows.values()
    ]
    setup = Setup(config={}, recipes=(DEEP,), software={"": VERSIONS})
    Generations(small_mirror.root).publish(rows, "with setup", {}, setup=setup)
    return small_mirror


def test_the_page_has_all_that_a_paper_needs(cited):
    """Observations, versions, contexts, what the recipe sets, methods, BibTeX."""
    page = " ".join(run("cite", "--mirror", cited.root).split())
    found = answer("cite", "--mirror", cited.root)

    for words in (
        f"(2) {MOSAIC} {EXPOSURE} Make the DOI at https://mast.stsci.edu",
        "MAST: CAL_VER 1.18.0",
        "deep: 2 results (image3) with jwst 3.0.0; stcal 1.15.0; jwst_1464.pmap",
        "detector1.jump.rejection_threshold: 5.5 image3.tweakreg.abs_refcat",
        "detector1.ramp_fit.n: 1, for detector NRCB1",
        "without file jw01345001001_02101_00009_*: 100% stray light",
        "program 1345, from the Mikulski Archive",
        r"MAST made its products with jwst 1.18.0 and CRDS context jwst\_1322.pmap "
        r"(SDP\_VER 2025\_2).",
        r"version 3.0.0 (image3), with references of CRDS context jwst\_1464.pmap \citep{crds}",
        r"Recipe deep sets detector1.jump.rejection\_threshold = 5.5;",
        r"Its other parameters have the values of jwst 3.0.0 and of CRDS context jwst\_1464.pmap.",
        "(generation 2), recorded by jwmirror",
        r"It leaves out file jw01345001001\_02101\_00009\_*: 100\% stray light.",
        "version = {3.0.0}, year = {20",
        "note = {astropy 7.2.0}",
    ):
        assert words in page
    assert found["programs"] == [1345]
    assert found["manifest_sha256"] == Generations(cited.root).current().manifest_sha256
    assert "snakemake " not in "".join(found["bibtex"])  # its version is not recorded


@pytest.mark.parametrize("generation", ["1", "current"])
def test_what_the_paragraph_cites_is_in_the_bibliography(cited, generation):
    """With or without the record of a config; Gaia only where a recipe aligns to it."""
    citation = cite_generation(cited.root, generation)

    bibtex = "\n".join(citation.bibtex)
    keys = re.findall(r"^@\w+\{([\w-]+),$", bibtex, re.MULTILINE)
    assert set(re.findall(r"\\citep\{([\w-]+)\}", citation.methods)) == set(keys)
    assert ("gaia" in keys) == (generation == "current")
    assert bibtex.count("{") == bibtex.count("}") and "%(" not in bibtex
    assert citation.methods.count("{") == citation.methods.count("}")


def test_recipes_of_one_version_share_a_sentence(small_mirror):
    """What is not recorded is left to the author, as the DOI is."""
    rows = [*small_mirror.rows.values()]
    rows += [
        replace(row, origin="quick", path=row.path.replace("deep", "quick"))
        for row in rows
        if row.key
    ]
    Generations(small_mirror.root).publish(rows, "two recipes", {})

    methods = cite_generation(small_mirror.root).methods

    assert methods.count("We recalibrated") == 1 and "(recipes deep and quick)" in methods
    assert "The parameters of recipe quick are YOUR-PARAMETERS." in methods


def test_one_recipe_alone_is_cited(small_mirror):
    """By an option; a recipe behind a colon, as `diff` has it, is answered with that option."""
    rows = [*small_mirror.rows.values()]
    rows += [
        replace(row, origin="quick", path=row.path.replace("deep", "quick"))
        for row in rows
        if row.key
    ]
    Generations(small_mirror.root).publish(rows, "two recipes", {})
    at = ("--mirror", small_mirror.root)

    found = answer("cite", "--recipe", "quick", *at)
    both = answer("cite", "--recipe", "quick", "--recipe", "deep", *at)

    assert [each["recipe"] for each in found["recipes"]] == ["quick"]
    assert "deep" not in found["methods"] and "(recipe quick)" in found["methods"]
    assert [each["recipe"] for each in both["recipes"]] == ["deep", "quick"]
    assert "`jwmirror cite 2 --recipe quick" in run("cite", "2:quick", *at, code=1)
    assert "did you mean 'quick'" in run("cite", "--recipe", "quik", *at, code=1)


@pytest.mark.parametrize(
    ("day", "words"), [("2099-05-06", "exclusive until 2099-05-06"), ("2020-05-06", "exclusive")]
)
def test_identifiers_of_exclusive_data_are_marked(small_mirror, day, words):
    """With the day of their release, if that has not passed; only those."""
    name = "jw01345002001_02101_00001_nrcb1"
    small_mirror.hold(
        f"{name}_uncal.fits",
        lambda path: path.write_bytes(b"x"),
        exclusive=True,
        release_date=f"{day}T00:00:00",
    )
    small_mirror.publish("more")

    page = run("cite", "--mirror", small_mirror.root)

    assert f"{name}  ({words})" in page and page.count("(exclusive") == 1
    for_a_doi, not_yet = page.split("Not for a DOI yet: exclusive (1)")
    assert EXPOSURE in for_a_doi and name not in for_a_doi and EXPOSURE not in not_yet[:200]
    assert "archive@stsci.edu" in not_yet


def test_the_box_of_the_site_has_public_identifiers_only(small_mirror):
    """Those with exclusive files are below it, with the day of their release."""
    name, day = "jw01345002001_02101_00001_nrcb1", "2099-05-06"
    facts = {"exclusive": True, "release_date": f"{day}T00:00:00"}
    small_mirror.hold(f"{name}_uncal.fits", lambda path: path.write_bytes(b"x"), **facts)
    small_mirror.publish("more")

    page = write_site(mirror=small_mirror.root, budget_s=0).parent / "cite.html"

    box, rest = page.read_text().split("Identifiers of the observations")[1].split("</textarea>", 1)
    assert EXPOSURE in box and name not in box
    assert re.search(rf"Not for a DOI yet</h3>.*Exclusive until {day}: .*{name}<", rest, re.DOTALL)


def test_observations_are_listed_with_the_names_of_their_targets(small_mirror):
    """As the headers of raw files have them; a name is no control character, and no HTML."""
    path = f"upstream/jw01345/o001/{EXPOSURE}_uncal.fits"
    row = small_mirror.rows[path]
    header = canonical({"meta.target.proposer_name": "NGC<1>\x1b[2J", "meta.target.ra": 1.0})
    small_mirror.rows[path] = replace(row, header=header)
    small_mirror.publish("described")

    page = run("cite", "--mirror", small_mirror.root)
    (observation,) = cite_generation(small_mirror.root).observations
    write_site(mirror=small_mirror.root, budget_s=0)
    site = (small_mirror.root / "site" / "cite.html").read_text()

    assert observation.target == "NGC<1>\x1b[2J"
    assert f"{EXPOSURE}  (NGC<1>" in page and "\x1b[2J" not in page
    assert "1345 o001: NGC&lt;1&gt;" in site and "\x1b" not in site


@pytest.mark.parametrize(
    "header", ["", *(canonical({"meta.target.catalog_name": odd}) for odd in (None, True, [1]))]
)
def test_an_observation_without_a_known_target_has_no_name(small_mirror, header):
    """The header is not recorded, or has none."""
    path = f"upstream/jw01345/o001/{EXPOSURE}_uncal.fits"
    small_mirror.rows[path] = replace(small_mirror.rows[path], header=header)
    small_mirror.publish("described")

    (observation,) = cite_generation(small_mirror.root).observations

    assert observation.target == ""


def test_the_site_has_a_paragraph_for_each_recipe(small_mirror):
    """The same as `cite --recipe`; with one recipe, there is one paragraph."""
    rows = [*small_mirror.rows.values()]
    rows += [
        replace(row, origin="quick", path=row.path.replace("deep", "quick"))
        for row in rows
        if row.key
    ]
    write_site(mirror=small_mirror.root, budget_s=0)
    page = small_mirror.root / "site" / "cite.html"
    of_one = page.read_text()

    Generations(small_mirror.root).publish(rows, "two recipes", {})
    write_site(mirror=small_mirror.root, budget_s=0)

    assert of_one.count("We recalibrated") == 1
    text = html.unescape(page.read_text())
    for names in (["deep", "quick"], ["deep"], ["quick"]):
        assert cite_generation(small_mirror.root, only=names).methods in text
    assert text.count("We recalibrated") == 3


def cite_results_of(mirror, inputs):
    """Cite recipe deep, whose mosaic is made of these files."""
    science = tuple(records.science(name, "ab" * 32) for name in inputs)
    made = replace(made_from("image3", MOSAIC, "x"), inputs=science)
    mirror.make(made, f"{MOSAIC}_i2d.fits", lambda path: path.write_bytes(b"image"))
    mirror.publish("made again")
    return cite_generation(mirror.root, only=["deep"])


def test_of_one_recipe_versions_are_those_of_the_files_that_it_used(small_mirror):
    """Not of MAST's combined products, and not of files that another recipe used."""
    for number, (suffix, version) in enumerate((("cal", "2.0.1"), ("i2d", "2.0.2"))):
        write_to = lambda path, n=number: path.write_bytes(b"%d" % n)  # noqa: E731
        small_mirror.hold(f"{EXPOSURE}_{suffix}.fits", write_to, cal_ver=version)
    other = "jw09999001001_02101_00001_nrcb1"
    small_mirror.hold(f"{other}_uncal.fits", lambda path: path.write_bytes(b"o"), program=9999)

    from_raw = cite_results_of(small_mirror, [f"{EXPOSURE}_uncal.fits"])
    from_cal = cite_results_of(small_mirror, [f"{EXPOSURE}_cal.fits"])
    all_of_it = cite_generation(small_mirror.root)

    assert from_raw.upstream == {"CAL_VER": (), "CRDS_CTX": (), "SDP_VER": ("2025_2",)}
    assert from_cal.upstream["CAL_VER"] == ("2.0.1",) and from_cal.programs == (1345,)
    assert "MAST made its products with jwst 2.0.1 and" in from_cal.methods
    assert all_of_it.upstream["CAL_VER"] == ("1.18.0", "2.0.1", "2.0.2")
    assert all_of_it.programs == (1345, 9999)
    assert other not in {name for each in from_cal.observations for name in each.identifiers}


def test_what_a_recipe_made_is_no_file_of_mast_that_it_used(small_mirror):
    """They have the same names: of MAST's rate, the recipe has one of its own."""
    small_mirror.hold(f"{EXPOSURE}_rate.fits", lambda path: path.write_bytes(b"r"), cal_ver="2.0.1")
    of_mast = cite_results_of(small_mirror, [f"{EXPOSURE}_rate.fits"])
    path = f"recalibrated/deep/jw01345/o001/{EXPOSURE}_rate.fits"
    small_mirror.rows[path] = small_mirror.rows.pop(path)  # its content is that of the input now

    found = cite_results_of(small_mirror, [f"{EXPOSURE}_rate.fits", "another_asn.json"])

    assert of_mast.upstream["CAL_VER"] == ("2.0.1",)

    assert "2.0.1" not in found.upstream["CAL_VER"]


def test_the_acknowledgement_names_the_programs(small_mirror):
    """As LaTeX, in the words of MAST; on the terminal and on the site."""
    small_mirror.hold(
        "jw02345001001_02101_00001_nrcb1_uncal.fits",
        lambda path: path.write_bytes(b"o"),
        program=2345,
    )
    small_mirror.publish("two programs")

    page = " ".join(run("cite", "--mirror", small_mirror.root).split())
    site = (write_site(mirror=small_mirror.root, budget_s=0).parent / "cite.html").read_text()

    words = (
        r"NAS 5-03127 for JWST. These observations are associated with programs \#1345 and \#2345."
    )
    assert words in page and words in site


def test_the_row_of_an_exposure_is_built_once(small_mirror, monkeypatch):
    """However many results are made from it."""
    built = []
    get = Entries.__getitem__
    monkeypatch.setattr(Entries, "__getitem__", lambda rows, n: built.append(n) or get(rows, n))
    files = changed.FilesOfMast(Generations(small_mirror.root).entries())

    found = [files[f"{EXPOSURE}_uncal.fits"] for _ in range(9) if f"{EXPOSURE}_uncal.fits" in files]

    assert len(found) == 9 and len(built) == 1


def test_without_results_only_the_archive_is_cited(small_mirror):
    """No calibration is claimed."""
    for path in [path for path, row in small_mirror.rows.items() if row.key]:
        del small_mirror.rows[path]
    small_mirror.publish("recipe deep was removed")

    citation = cite_generation(small_mirror.root)

    assert citation.recipes == () and "recalibrated" not in citation.methods
    assert not any(line.startswith("@software{jwst,") for line in citation.bibtex)


def test_observations_that_may_not_be_read_are_not_named(cited, monkeypatch):
    """They are counted."""
    closed = {row.sha256 for row in cited.rows.values() if row.filename.startswith(EXPOSURE)}
    monkeypatch.setattr("os.geteuid", lambda: cited.root.stat().st_uid + 1)
    monkeypatch.setattr("os.access", lambda path, mode: Path(path).name not in closed)

    citation = cite_generation(cited.root)

    assert citation.left_out == 2
    assert [each.identifiers for each in citation.observations] == [(MOSAIC,)]


def test_every_entry_has_a_key_and_a_place():
    """Its key is its name; a year; a DOI, an address, or it is jwmirror itself."""
    for name, entry in ENTRIES.items():
        assert re.match(rf"@\w+\{{{name},\n", entry)
        assert re.search(r"^  year +=", entry, re.MULTILINE)
        assert "doi " in entry or "url " in entry or name == "jwmirror"
