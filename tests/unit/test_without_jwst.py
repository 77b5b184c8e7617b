"""Without the extra `recalibrate`, all works that recipes do not need; the rest says so."""

import re
import subprocess
import sys
from importlib.metadata import version

import pytest
from stdatamodels.jwst.datamodels import dqflags

from jwmirror.compare import sky
from jwmirror.compare.flags import flag_names
from jwmirror.config.load import build_config
from jwmirror.config.yaml_files import parse_yaml
from jwmirror.core.errors import ConfigError
from jwmirror.core.model import Recipe
from jwmirror.pipeline import identity, installed
from jwmirror.pipeline.parameters import vocabulary
from jwmirror.services.configure.params import parameter_groups
from jwmirror.services.kept.dependencies import _software
from jwmirror.services.run import holdings
from tests.setup import records
from tests.setup.lean_environment import (
    ROOT,
    import_names,
    make_lean_environment,
    only_with_recalibration,
)
from tests.setup.mirrors import image_writer

UNCAL = "jw01345001001_02101_00001_nrcb1_uncal.fits"
IMPORT_ALL = """
import pkgutil, sys
from importlib import import_module

import jwmirror

names = [each.name for each in pkgutil.walk_packages(jwmirror.__path__, "jwmirror.")]
for name in names:
    if not name.endswith("__main__"):
        import_module(name)
print(len(names), *sys.modules)
"""
CONFIG = """
programs: [{program: 1345, detectors: NRCB1, products: ratee}]
recipes:
  deep: {parameters: {detector1: {jump: {no_such_name: 1}}}}
"""


@pytest.fixture
def without_jwst(monkeypatch):
    """The extra seems not to be installed."""
    monkeypatch.setattr(installed, "_missing", lambda: ("crds", "jwst"))
    caches = (vocabulary.allowed_values, vocabulary.suffixes, _software)
    for each in caches:
        each.cache_clear()
    yield
    for each in caches:
        each.cache_clear()


def test_no_module_imports_a_package_of_the_extra():
    """Each command and each rule that does not calibrate starts without these packages."""
    left_out = import_names(only_with_recalibration())

    done = subprocess.run([sys.executable, "-c", IMPORT_ALL], capture_output=True, text=True)
    number, *loaded = done.stdout.split()

    assert done.returncode == 0, done.stderr
    assert int(number) > 200 and {"jwst", "crds", "gwcs", "photutils", "stcal"} <= left_out
    assert left_out & set(loaded) == set()


def test_all_modules_can_be_imported_without_the_extra(tmp_path):
    """In an environment with the dependencies of jwmirror only, and with all of them."""
    python = make_lean_environment(tmp_path / "lean")

    done = subprocess.run([python, "-c", IMPORT_ALL], capture_output=True, text=True)
    asked = subprocess.run([python, "-c", "import jwst"], capture_output=True, text=True)

    assert done.returncode == 0, done.stderr
    assert int(done.stdout.split()[0]) > 200
    assert "No module named 'jwst'" in asked.stderr


def test_a_config_with_recipes_is_refused_in_one_sentence(without_jwst):
    """It says what is missing, where, and the next step; other mistakes are found as well."""
    with pytest.raises(ConfigError) as caught:
        build_config(parse_yaml(CONFIG, "config.yaml"), checker_of=pytest.fail)

    product, recipes = sorted(caught.value.mistakes)
    assert product.startswith("config.yaml, line 2: programs[0].products: unknown suffix 'ratee'")
    assert recipes == (
        "config.yaml, line 4: recipes: recalibration needs the packages crds, jwst, which "
        f"{sys.prefix} does not have; run `make install` in a clone of jwmirror, or "
        "`pip install 'jwmirror[recalibrate]'`; or remove `recipes`, to mirror without "
        "recalibrating."
    )


@pytest.mark.parametrize("recipes", ["", "recipes: {}"])
def test_a_config_without_recipes_needs_no_extra(without_jwst, recipes):
    """An empty section is none."""
    text = f"programs: [{{program: 1345, products: rate}}]\n{recipes}\n"

    config = build_config(parse_yaml(text, "config.yaml"), checker_of=pytest.fail)

    assert config.recipes == ()


def test_the_list_of_parameters_is_refused_in_one_sentence(without_jwst):
    """It lists what the installed jwst has."""
    with pytest.raises(ConfigError, match=r"needs the packages crds, jwst, .*\[recalibrate\]"):
        parameter_groups("detector1")


def test_values_of_criteria_are_the_same_without_jwst(request):
    """`make docs` writes them into a file; a config is checked with them as with jwst."""
    keys = vocabulary.CLOSED
    with_jwst = [*map(vocabulary.allowed_values, keys)], vocabulary.suffixes()

    request.getfixturevalue("without_jwst")
    without = [*map(vocabulary.allowed_values, keys)], vocabulary.suffixes()

    assert len(with_jwst[1]) > 50
    assert (without[0], tuple(without[1])) == with_jwst


def test_a_raw_exposure_is_described_later(without_jwst, tmp_path, monkeypatch):
    """Its header can be read when jwst is installed, and then the first plan reads it."""
    monkeypatch.setattr(identity, "HEADER_SCHEME", 2)  # headers of earlier versions are old
    path = tmp_path / UNCAL
    image_writer(1.0)(path)
    entry = records.entry(records.product(UNCAL))

    version = identity.downloaded_version(entry.product, path, "5a" * 32, 100)

    assert (version.identity, version.header, version.refusal) == ("", "", "")
    assert not holdings._is_described(entry)
    assert [*holdings._undescribed([entry], [Recipe(name="deep", programs=(1345,))])] == []


def test_the_software_of_a_mirror_is_known_without_jwst(without_jwst):
    """A kept answer depends on the packages that are installed."""
    _, folders, engine = _software("")

    assert f"astropy-{version('astropy')}.dist-info" in folders and engine == {}


def test_flags_have_the_names_of_jwst():
    """The table is that of stdatamodels, without GOOD, which is no flag."""
    for hdu, flags in (("DQ", dqflags.pixel), ("GROUPDQ", dqflags.group)):
        assert flag_names(hdu) == {value: name for name, value in flags.items() if value}


def test_the_sky_of_an_image_is_unknown_without_gwcs(monkeypatch):
    """Then that of the FITS header is compared."""
    monkeypatch.setitem(sys.modules, "gwcs", None)

    assert sky.gwcs_sky({"ASDF": "damaged"}, None, None) is None


def test_the_extra_is_what_make_install_locks():
    """Its packages are in the lock, and so are those that jwmirror imports of them."""
    lock = (ROOT / "envs" / "jwmirror.lock").read_text()

    locked = set(re.findall(r"^([a-z0-9._-]+)==", lock, re.M))

    assert {*installed.RECALIBRATION, *only_with_recalibration()} <= locked
