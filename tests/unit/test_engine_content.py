"""The code of installed packages: released, or modified and then in keys by its content."""

import os
import shutil
import subprocess
import sys
from base64 import urlsafe_b64encode
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, distribution, version
from pathlib import Path

import pytest

from jwmirror.pipeline.child_environment import child_environment
from jwmirror.pipeline.derivation import engine_versions
from jwmirror.pipeline.engine_content import ENGINE, package_code
from tests.setup.packages import NAME, install, record_line


@pytest.fixture
def package(tmp_path, monkeypatch) -> Path:
    """An installed package, as released."""
    monkeypatch.syspath_prepend(tmp_path / "site")
    return install(tmp_path / "site")


@pytest.mark.usefixtures("package")
def test_released_code_has_the_version_of_its_distribution():
    """So no key changes because of this check."""
    code = package_code(NAME)

    assert (code.version, str(code)) == ("1.0", "fitting 1.0")


def test_the_installed_jwst_is_as_released():
    """Its version in keys is the one that it had before content counted."""
    assert engine_versions() == {name: version(name) for name in ENGINE}


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("slope.py", "def fit(x): return 2\n"),  # another content of another size
        ("slope.py", "def fit(y): return y\n"),  # of the same size
        ("weights.json", "[1, 3]\n"),
        ("slope.so", "compiled"),  # would be imported instead of slope.py
        ("slope.py", None),
    ],
)
def test_a_modified_file_changes_the_version_until_it_is_restored(package, path, text):
    """By the content; the release is still named."""
    file = package / path
    original = file.read_text() if file.exists() else None

    file.write_text(text) if text else file.unlink()
    edited = package_code(NAME)
    file.write_text(original) if original else file.unlink()

    assert edited.version.startswith("1.0+modified.")
    assert edited.modified == f"1 file differs from its release ({NAME}/{path})"
    assert package_code(NAME).version == "1.0"


def test_an_edit_that_restores_size_and_mtime_is_noticed(package):
    """By the time of the inode's last change."""
    file = package / "slope.py"
    package_code(NAME)
    status = file.stat()

    file.write_text("def fit(y): return y\n")
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))

    assert package_code(NAME).modified


def test_two_edits_have_two_versions(package):
    """And the same edit again has the same."""
    versions = []
    for factor in (2, 3, 2):
        (package / "slope.py").write_text(f"def fit(x): return x * {factor}\n")
        versions.append(package_code(NAME).version)

    assert versions[0] == versions[2] != versions[1]


def test_files_that_compute_nothing_do_not_count(package):
    """Tests, byte code, hidden files and what editors leave."""
    (package / "tests" / "test_slope.py").write_text("assert fit(2)\n")
    (package / "__pycache__").mkdir()
    (package / "__pycache__" / "slope.cpython-311.pyc").write_text("")
    (package / ".ipynb_checkpoints").mkdir()
    for name in (".slope.py", ".ipynb_checkpoints/slope.py", "slope.py~", "notes.txt"):
        (package / name).write_text("to do")

    assert package_code(NAME).version == "1.0"


def test_a_folder_that_shadows_the_distribution_counts_by_content(package, tmp_path, monkeypatch):
    """Even if it is a copy: the release cannot vouch for it."""
    shutil.copytree(package, tmp_path / "own" / NAME)
    monkeypatch.syspath_prepend(tmp_path / "own")
    copied = package_code(NAME)
    (tmp_path / "own" / NAME / "slope.py").write_text("def fit(x): return 0\n")

    edited = package_code(NAME)

    assert copied.modified.startswith(f"it is imported from {tmp_path}/own/{NAME}, not from")
    assert len({copied.version, edited.version, "1.0"}) == 3


@pytest.mark.parametrize(
    ("direct", "told"),
    [
        ({"url": "file:///home/me", "dir_info": {"editable": True}}, "an editable install of"),
        ({"url": "file:///home/me", "dir_info": {}}, "built from file:///home/me"),
        ({"url": "https://x/f.git", "vcs_info": {"vcs": "git", "commit_id": "1f"}}, ""),
        ({"url": "file:///f.whl", "archive_info": {}}, ""),
    ],
)
def test_code_from_a_local_folder_is_not_a_release(tmp_path, monkeypatch, direct, told):
    """A version that setuptools_scm makes of a folder does not tell two edits from each other."""
    monkeypatch.syspath_prepend(tmp_path)
    install(tmp_path, **direct)

    assert package_code(NAME).modified.startswith(told) and bool(package_code(NAME).modified) == (
        told != ""
    )


def test_a_conda_package_is_a_release(tmp_path, monkeypatch):
    """Conda builds each package from a local folder, and says so."""
    monkeypatch.syspath_prepend(tmp_path)
    install(tmp_path, url="file:///home/conda/feedstock", dir_info={})
    (tmp_path / f"{NAME}-1.0.dist-info" / "INSTALLER").write_text("conda\n")

    assert package_code(NAME).modified == ""


def test_linked_folders_of_an_editable_package_count_and_may_form_a_circle(package, tmp_path):
    """As an import follows them."""
    (tmp_path / "models").mkdir()
    (package / "models").symlink_to(tmp_path / "models")
    (tmp_path / "models" / "again").symlink_to(package)
    before = package_code(NAME).version
    (tmp_path / "models" / "line.py").write_text("fit = abs\n")

    assert before == "1.0" and "models/line.py" in package_code(NAME).modified


def test_folders_beside_a_circle_count(package):
    """Each is visited once, whichever comes first."""
    for name in "abcd":
        (package / name).mkdir()
        (package / name / "back").symlink_to(package)
        (package / name / "line.py").write_text("fit = abs\n")

    assert package_code(NAME).modified.startswith("4 files differ")


def test_of_a_large_package_only_sources_and_sizes_are_compared(package):
    """It is hashed for each exposure, and may have gigabytes of compiled code and data."""
    (package / "weights.json").write_text("[1, 3]\n")  # of the same size
    same_size = package_code(NAME, is_large=True)
    (package / "weights.json").write_text("[1, 2, 3]\n")
    other_size = package_code(NAME, is_large=True)
    (package / "weights.json").write_text("[1, 2]\n")
    (package / "slope.py").write_text("def fit(y): return y\n")

    assert (same_size.modified, other_size.modified[:14]) == ("", "1 file differs")
    assert package_code(NAME, is_large=True).modified


def test_three_of_many_files_are_named(package):
    """And how many more there are."""
    for number in range(5):
        (package / f"extra{number}.py").write_text("")

    names = ", ".join(f"{NAME}/extra{number}.py" for number in range(3))
    assert package_code(NAME).modified == f"5 files differ from its release ({names} and 2 more)"


def test_a_local_version_keeps_its_own_part(tmp_path, monkeypatch):
    """A version has one plus sign."""
    monkeypatch.syspath_prepend(tmp_path)
    install(tmp_path, release="1.1.dev3+g1f0c")
    (tmp_path / NAME / "slope.py").write_text("fit = abs\n")

    assert package_code(NAME).version.startswith("1.1.dev3+g1f0c.modified.")


def test_a_package_that_is_not_installed_is_an_error():
    """As importlib.metadata has it."""
    with pytest.raises(PackageNotFoundError):
        package_code("no_such_package")


def test_a_distribution_without_a_list_of_its_files_counts_by_content(package, tmp_path):
    """As packages of some systems are installed."""
    (tmp_path / "site" / f"{NAME}-1.0.dist-info" / "RECORD").unlink()

    assert "RECORD" in package_code(NAME).modified


def test_what_editors_leave_does_not_enter_the_content(package):
    """Else two copies with the same edit would have two keys."""
    (package / "slope.py").write_text("fit = abs\n")
    edited = package_code(NAME)

    for end in ("~", ".orig", ".rej", ".swp"):
        (package / f"slope.py{end}").write_text("to do")
    for folder in ("regtest", "tests", "__pycache__"):
        (package / folder).mkdir(exist_ok=True)
        (package / folder / "slope.py").write_text("to do")

    assert package_code(NAME) == edited


def test_recorded_files_that_do_not_count_may_be_missing(package, tmp_path):
    """As without the tests of a package, or with a RECORD that lists its scripts too."""
    record = tmp_path / "site" / f"{NAME}-1.0.dist-info" / "RECORD"
    listed = [f"{NAME}/{path},sha256=x,1" for path in ("regtest/a.py", ".hidden.py", "a.py.orig")]
    record.write_text("\n".join([record.read_text(), "other/a.py,sha256=x,1", *listed]))
    record.write_text(record.read_text() + "\n\nof two,columns\n")
    shutil.rmtree(package / "tests")

    assert package_code(NAME).modified == ""


def test_modified_code_is_named_with_what_differs(package):
    """In status and provenance; twelve digits of the content are enough for a version."""
    (package / "slope.py").write_text("fit = abs\n")

    code = package_code(NAME)

    assert str(code) == f"fitting 1.0, modified: 1 file differs from its release ({NAME}/slope.py)"
    assert code.version == f"1.0+modified.{code.content[:12]}" and len(code.content) == 64


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_files_that_differ_are_counted(package, count):
    """Up to three are named, in the order of their names."""
    for number in range(count):
        (package / f"extra{number}.py").write_text("")

    names = ", ".join(f"{NAME}/extra{number}.py" for number in range(count))
    shown = names if count < 4 else names.replace(f", {NAME}/extra3.py", " and 1 more")
    differ = "1 file differs" if count == 1 else f"{count} files differ"
    assert package_code(NAME).modified == f"{differ} from its release ({shown})"


def test_a_distribution_may_have_another_name_than_its_package(package, tmp_path):
    """As scikit-learn has sklearn; the name of the distribution is shown."""
    info = tmp_path / "site" / f"{NAME}-1.0.dist-info"
    metadata = (info / "METADATA").read_text().replace(f"Name: {NAME}", "Name: fitter")
    (info / "METADATA").write_text(metadata)
    info.rename(info.with_name("fitter-1.0.dist-info"))

    assert str(package_code(NAME, "fitter")) == "fitter 1.0"
    with pytest.raises(PackageNotFoundError):
        package_code(NAME)


def test_a_module_of_one_file_counts(tmp_path, monkeypatch):
    """As six.py; other files beside it do not."""
    site = tmp_path / "site"
    monkeypatch.syspath_prepend(site)
    shutil.rmtree(install(site, "single"))
    (site / "single.py").write_text("fit = abs\n")
    record = site / "single-1.0.dist-info" / "RECORD"
    record.write_text(record_line(site / "single.py", site))
    (site / "beside.py").write_text("")
    released = package_code("single")
    (site / "single.py").write_text("fit = max\n")

    assert released.modified == ""
    assert package_code("single").modified == "1 file differs from its release (single.py)"


def test_content_is_that_of_each_file_under_its_name(package, tmp_path):
    """From any folder: two copies of an edited package are the same code."""
    (package / "slope.py").write_text("fit = abs\n")
    content = package_code(NAME).content
    expected = sha256()
    for path in ("__init__.py", "slope.py", "weights.json"):
        value = urlsafe_b64encode(sha256((package / path).read_bytes()).digest()).rstrip(b"=")
        expected.update(f"{NAME}/{path}\0".encode() + value)

    assert content == expected.hexdigest()


def test_a_distribution_without_record_says_where_it_is(package, tmp_path):
    """And is known by its content."""
    (tmp_path / "site" / f"{NAME}-1.0.dist-info" / "RECORD").unlink()

    code = package_code(NAME)

    site = os.path.realpath(tmp_path / "site")
    assert code.modified == f"its installation in {site} has no list of its files (RECORD)"
    assert code.version == f"1.0+modified.{code.content[:12]}"


def test_a_package_that_is_linked_into_its_installation_is_not_from_it(package, tmp_path):
    """The files are elsewhere, and may be edited there."""
    package.rename(tmp_path / "own")
    package.symlink_to(tmp_path / "own")

    assert package_code(NAME).modified.startswith("it is imported from")


# ---- the engine ------------------------------------------------------------------------------

PRINT = "from jwmirror.pipeline.derivation import engine_versions as e; print(*e().values())"


def engine_with(*paths: Path) -> list[str]:
    """The versions of jwst, stcal and stdatamodels in a process with folders on PYTHONPATH."""
    path = os.pathsep.join(map(str, [*paths, child_environment()["PYTHONPATH"]]))
    command = [sys.executable, "-P", "-c", PRINT]
    environment = {**os.environ, "PYTHONPATH": path}
    return subprocess.check_output(command, env=environment, text=True).split()


def test_a_shadowed_stcal_and_a_patched_stdatamodels_change_the_key(tmp_path):
    """In the process that imports them; without them, versions are as before."""
    shadow, patched = tmp_path / "shadow", tmp_path / "patched"
    (shadow / "stcal").mkdir(parents=True)
    (shadow / "stcal" / "__init__.py").write_text("")
    info = Path(str(distribution("stdatamodels").locate_file("")))
    for folder in ("stdatamodels", f"stdatamodels-{version('stdatamodels')}.dist-info"):
        shutil.copytree(info / folder, patched / folder)

    as_copied = engine_with(patched)
    (patched / "stdatamodels" / "validate.py").write_text("")
    jwst, stcal, models = engine_with(shadow, patched)

    assert as_copied == list(engine_versions().values()) == engine_with()
    assert jwst == version("jwst")
    assert stcal.startswith(f"{version('stcal')}+modified.")
    assert models.startswith(f"{version('stdatamodels')}+modified.")


def test_a_distribution_whose_package_cannot_be_imported_is_an_error():
    """As one that is not installed: there is no code to put into a key."""
    with pytest.raises(PackageNotFoundError, match="no_such_package_here"):
        package_code("no_such_package_here", "pytest")
