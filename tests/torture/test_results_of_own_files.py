"""Own files and associations through the real pipelines: a PSF library, two roles, a catalogue."""

import json
import shutil
from pathlib import Path

import pytest
from astropy.io import fits

from demo.site import Site
from jwmirror_simulator.modes.scenes import coronagraph, grism
from jwmirror_simulator.observatory import Observatory
from tests.torture.mill import LONG

pytestmark = pytest.mark.skipif(not LONG, reason="minutes of jwst; make torture runs it")

ROLL, OTHER_ROLL, STAR = (f"jw0134600{n}001_02101_00001_nrcalong" for n in (5, 6, 7))
GRISM = grism.GRISM_SPECTRA.exposures[-1].filename.removesuffix("_uncal.fits")
PROGRAMS = [{"program": 1346, "observations": [5, 6, 10], "products": ["calints", "rate"]}]


def association(site: Site, name: str, rule: str, *members: tuple[str, str]) -> list[str]:
    """An association as `asn_from_list` writes it, without a type; as value for a recipe."""
    listed = [{"expname": member, "exptype": role} for member, role in members]
    content = {"asn_type": "None", "asn_rule": rule, "program": "noprogram"}
    path = site.folder / f"{name}.json"
    path.write_text(json.dumps({**content, "products": [{"name": name, "members": listed}]}))
    return [str(path)]


def write_library(site: Site, factor: float) -> str:
    """The user's file of a star's halo, made from the archive's by a factor."""
    path = site.folder / "psf_library.fits"
    shutil.copyfile(site.observatory.archive.path(f"{STAR}_calints.fits"), path)
    path.chmod(0o644)
    with fits.open(path, mode="update") as hdus:
        hdus["SCI"].data *= factor
    return path.name


def write_direct_image(site: Site) -> list[tuple[str, str]]:
    """Catalogue, segmentation map and direct image under names of the user, with their roles."""
    archive = site.observatory.archive
    roles = {"cat.ecsv": "sourcecat", "segm.fits": "segmap", "i2d.fits": "direct_image"}
    for ending in roles:
        (name,) = (
            name
            for name in archive.filenames()
            if name.startswith("jw01346-o010_") and name.endswith(f"_{ending}")
        )
        shutil.copyfile(archive.path(name), site.folder / f"my_{ending}")
    return [(f"my_{ending}", role) for ending, role in roles.items()]


@pytest.fixture(scope="module")
def own_site(tmp_path_factory, built_modes):
    """A site after a run with three recipes: a PSF library, each roll for the other, a grism."""
    folder = tmp_path_factory.mktemp("own")
    shutil.copytree(built_modes, folder / "observatory")
    observatory = Observatory.open(folder / "observatory")
    with observatory.serve():
        site = Site(folder, observatory)
        rolls = [(f"{root}_calints.fits", "science") for root in (ROLL, OTHER_ROLL)]
        third, second = "DMS_Level3_Base", "DMSLevel2bBase"
        library = (write_library(site, 0.9), "psf")
        science, direct = (f"{GRISM}_rate.fits", "science"), write_direct_image(site)
        recipes = {
            "deep": (3, association(site, "library", third, *rolls, library)),
            "rolls": (3, association(site, "rolls", third, *rolls, (rolls[1][0], "psf"))),
            "spectra": (2, association(site, "grism", second, science, *direct)),
        }
        site.configure(
            programs=PROGRAMS,
            recipes={
                name: {"stages": [stage], "where": [], "associations": files}
                for name, (stage, files) in recipes.items()
            },
        )
        site.snakemake()
        yield site


def made(site: Site, recipe: str, filename: str) -> Path:
    """A recalibrated file that the current generation shows."""
    (path,) = (site.mirror / "current/recalibrated" / recipe).glob(f"jw01346/*/{filename}")
    return path


def out_of_date(site: Site) -> dict[str, str]:
    """What the next run would compute: product -> reasons."""
    plan = json.loads(site.jwmirror_on_config("plan", "--json"))
    return {chain["product"]: str(chain["reasons"]) for chain in plan["out_of_date"]}


def test_own_files_and_one_file_in_two_roles_run_through_the_pipelines(own_site):
    """Types follow from the rules of jwst; planet and source have their flux; all is closed."""
    assert own_site.tally().computed == {"coron3": 2, "spec2": 1}
    image, spectra = (
        made(own_site, "deep", "library_i2d.fits"),
        made(own_site, "spectra", "grism_x1d.fits"),
    )
    assert coronagraph.measured_planet(image) == pytest.approx(1, abs=0.1)
    assert grism.measured_source(spectra) == pytest.approx(1, abs=0.05)
    assert made(own_site, "rolls", "rolls_i2d.fits").exists()
    assert image.stat().st_mode & 0o077 == 0


def test_a_changed_library_re_runs_what_uses_it_and_taken_back_nothing(own_site):
    """By content: the earlier result is under its key."""
    write_library(own_site, 0.8)
    changed = out_of_date(own_site)
    write_library(own_site, 0.9)

    assert out_of_date(own_site) == {}
    assert list(changed) == ["library"] and "psf_library.fits" in changed["library"]
