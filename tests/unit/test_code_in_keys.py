"""Code that runs is in the key: edited code has another key, restored code the old one."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import distribution, version
from pathlib import Path

import pytest

from jwmirror.pipeline.child_environment import child_environment
from tests.setup.packages import NAME, install

KEY = f"""
from pathlib import Path
from jwmirror.core.model import Derivation
from jwmirror.pipeline.derivation import engine_versions, key_of
from jwmirror.pipeline.usercode.hooks import hook_sources
parameters = {{"steps": {{"jump": {{"post_hooks": ["fixes.scale", "{NAME}.fit"]}}}}}}
print(key_of(Derivation(
    pipeline="detector1", product="x", engine=engine_versions(), inputs=(), parameters=parameters,
    references={{}}, hooks=hook_sources(parameters, Path("base")),
)))
"""


@pytest.fixture
def site(tmp_path) -> Path:
    """A copy of the installed stdatamodels, a hook with a helper, and a package with a hook."""
    packages = tmp_path / "site-packages"
    released = Path(str(distribution("stdatamodels").locate_file("")))
    for folder in ("stdatamodels", f"stdatamodels-{version('stdatamodels')}.dist-info"):
        shutil.copytree(released / folder, packages / folder)
    install(packages)
    for folder in ("base", "shared", "clones"):
        (tmp_path / folder).mkdir()
    (tmp_path / "base" / "fixes.py").write_text("from helpers import scale\n")
    (tmp_path / "shared" / "helpers.py").write_text("def scale(model): return model\n")
    return tmp_path


def key(site: Path) -> str:
    """The key in a new process that has the folders of the site on PYTHONPATH."""
    folders = [site / name for name in ("clones", "shared", "site-packages")]
    path = os.pathsep.join(map(str, [*folders, child_environment()["PYTHONPATH"]]))
    return subprocess.check_output(
        [sys.executable, "-P", "-c", KEY], cwd=site, env={**os.environ, "PYTHONPATH": path}
    ).decode()


def shadow_stcal(site: Path) -> Callable[[], None]:
    """Put a folder of that name before the installed package."""
    (site / "clones" / "stcal").mkdir()
    (site / "clones" / "stcal" / "__init__.py").write_text("")
    return lambda: shutil.rmtree(site / "clones" / "stcal")


def use_editable_jwst(site: Path) -> Callable[[], None]:
    """Install a clone of jwst as `pip install -e` does."""
    direct = {"url": "file:///clone", "dir_info": {"editable": True}}
    install(site / "clones", "jwst", version("jwst"), **direct)
    return lambda: [shutil.rmtree(path) for path in (site / "clones").iterdir()] and None


def edited(name: str) -> Callable[[Path], Callable[[], None]]:
    """An edit of one file of the site."""

    def edit(site: Path) -> Callable[[], None]:
        text = (site / name).read_text()
        (site / name).write_text(f"{text}# edited\n")
        return lambda: (site / name).write_text(text) and None

    return edit


@pytest.mark.parametrize(
    "change",
    [
        shadow_stcal,
        use_editable_jwst,
        edited("site-packages/stdatamodels/validate.py"),
        edited("shared/helpers.py"),
        edited(f"site-packages/{NAME}/slope.py"),
    ],
    ids=["shadowed stcal", "editable jwst", "patched stdatamodels", "helper", "package hook"],
)
def test_edited_code_has_another_key_and_restored_code_the_old_one(site, change):
    """So its results are computed, and afterwards those from before are found again."""
    before = key(site)
    restore = change(site)

    changed = key(site)
    restore()

    assert changed != before == key(site)
