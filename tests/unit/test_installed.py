"""Versions of installed packages, of this Python and of another one."""

import sys
from importlib.metadata import version

from jwmirror import __version__
from jwmirror.pipeline.installed import installed_versions, metadata_folders


def test_the_running_python_and_another_one_are_asked_alike():
    """What computes is named with its version; jwmirror itself too, installed or not."""
    here, there = installed_versions(), installed_versions(sys.executable)

    assert here["jwst"] == there["jwst"] == version("jwst")
    assert here["python"] == there["python"]
    assert here["jwmirror"] == __version__


def test_a_python_that_is_gone_is_not_known(tmp_path):
    """A publication does not fail because of it."""
    assert installed_versions(str(tmp_path / "python")) == {}


def test_folders_of_metadata_name_versions():
    """One for each package that is found in the usual way."""
    folders = [name.lower().replace("_", "-") for name in metadata_folders()]

    assert f"jwst-{version('jwst')}.dist-info" in folders
    assert len(folders) >= len(installed_versions()) - 2  # Python, and perhaps jwmirror
