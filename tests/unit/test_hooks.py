"""Hooks: known by their source, found where stpipe finds them, without running any."""

import importlib
import os
import sys
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from shutil import which

import pytest

from jwmirror.core.errors import CalibrationError
from jwmirror.core.files import sha256_of
from jwmirror.core.model import Derivation
from jwmirror.pipeline.derivation import differences, key_of
from jwmirror.pipeline.usercode import modules
from jwmirror.pipeline.usercode.files import with_bare_names
from jwmirror.pipeline.usercode.hooks import (
    check_hooks,
    command,
    hook_mistakes,
    hook_sources,
    prepare,
)
from tests.setup import records
from tests.setup.packages import NAME, install

SCALE = "def scale(model):\n    return model * {factor}\n"
EXPLODING = "raise RuntimeError('executed')\n\ndef scale(model):\n    return model\n"


def hooked(*hooks: str, skip: bool = False) -> dict:
    """Parameters of a pipeline with hooks after one step."""
    return {"steps": {"jump": {"skip": skip, "post_hooks": list(hooks), "pre_hooks": []}}}


def with_hooks(base: Path, *hooks: str) -> Derivation:
    """A derivation with the hooks as they are now."""
    parameters = hooked(*hooks)
    return records.derivation(parameters=parameters, hooks=hook_sources(parameters, base))


def write(path: Path, text: str, mode: int = 0o644) -> Path:
    """A file with this text."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(mode)
    return path


@pytest.fixture
def imports(monkeypatch):
    """What a test imports, and how, is forgotten after it."""
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        del sys.modules[name]


# ---- Python ----------------------------------------------------------------------------------


def test_a_function_is_known_by_the_source_of_its_module(tmp_path):
    """The sha256 of the file, which is not executed for it."""
    source = write(tmp_path / "fixes.py", EXPLODING)

    assert hook_sources(hooked("fixes.scale"), tmp_path) == (("fixes.scale", sha256_of(source)),)


def test_a_module_in_a_package_is_found_without_running_the_package(tmp_path):
    """The package's own source counts too, because an import runs it."""
    package = write(tmp_path / "mine/__init__.py", "raise RuntimeError('executed')")
    source = write(tmp_path / "mine/fixes.py", SCALE.format(factor=2))

    found = dict(hook_sources(hooked("mine.fixes.scale"), tmp_path))

    assert found == {
        "mine.fixes.scale": sha256_of(source),
        "mine.fixes.scale (mine/__init__.py)": sha256_of(package),
    }


def test_what_a_hook_imports_from_beside_it_counts(tmp_path):
    """Own modules through all levels; not those of the Python environment."""
    write(tmp_path / "fixes.py", "import json, numpy\nfrom steps import double as scale\n")
    write(tmp_path / "steps.py", "def double(x):\n    import factors\n    return factors.two * x\n")
    write(tmp_path / "factors.py", "two = 2\n")

    found = [name for name, _ in hook_sources(hooked("fixes.scale"), tmp_path)]

    assert found == ["fixes.scale", "fixes.scale (factors.py)", "fixes.scale (steps.py)"]


def sources(base: Path, hook: str) -> dict[str, str]:
    """The sources of a hook by name."""
    return dict(hook_sources(hooked(hook), base))


def test_a_helper_on_pythonpath_counts(tmp_path, monkeypatch):
    """From whichever folder it is imported; restored, all is as before."""
    monkeypatch.syspath_prepend(tmp_path / "shared")
    write(tmp_path / "base/fixes.py", "from helpers import scale\n")
    helper = write(tmp_path / "shared/helpers.py", SCALE.format(factor=2))
    before = sources(tmp_path / "base", "fixes.scale")
    write(helper, SCALE.format(factor=3))

    edited = sources(tmp_path / "base", "fixes.scale")
    write(helper, SCALE.format(factor=2))

    assert sorted(before) == ["fixes.scale", "fixes.scale (helpers.py)"]
    assert edited != before == sources(tmp_path / "base", "fixes.scale")


def test_an_installed_package_counts_by_version_and_content(tmp_path, monkeypatch):
    """Whether it has the hook or the hook imports it: all of its code, edited in place or not."""
    monkeypatch.syspath_prepend(tmp_path / "site-packages")
    package = install(tmp_path / "site-packages")
    write(tmp_path / "fixes.py", f"import numpy\nfrom {NAME} import fit as scale\n")
    hooks = ("fixes.scale", f"{NAME}.fit")
    before = [sources(tmp_path, hook) for hook in hooks]
    source = (package / "slope.py").read_text()
    write(package / "slope.py", source + "fit = abs\n")

    edited = [sources(tmp_path, hook) for hook in hooks]
    write(package / "slope.py", source)

    assert [sorted(each)[1] for each in before] == [f"{hook} ({NAME} 1.0)" for hook in hooks]
    assert all("1.0+modified." in sorted(each)[1] for each in edited)
    assert [sources(tmp_path, hook) for hook in hooks] == before


def test_what_jwst_requires_does_not_count(tmp_path, monkeypatch):
    """Even from an editable install: it is outside the keys of jwst's results, too."""
    monkeypatch.syspath_prepend(tmp_path / "clone")
    write(tmp_path / "clone/gwcs/__init__.py", "")
    write(tmp_path / "base/fixes.py", "import gwcs, scipy.ndimage, astropy\nscale = gwcs\n")

    assert list(sources(tmp_path / "base", "fixes.scale")) == ["fixes.scale"]


def test_hooks_of_installed_packages_are_found(tmp_path):
    """Of a package that jwst requires by their own module alone."""
    ((name, content),) = hook_sources(hooked("scipy.ndimage.gaussian_filter"), tmp_path)

    origin = importlib.import_module("scipy.ndimage").__file__
    assert (name, content) == ("scipy.ndimage.gaussian_filter", sha256_of(Path(origin)))


def test_hooks_of_a_skipped_step_count(tmp_path):
    """Because stpipe runs them."""
    write(tmp_path / "fixes.py", SCALE.format(factor=2))

    assert hook_sources(hooked("fixes.scale", skip=True), tmp_path)


def test_hooks_of_the_steps_of_a_step_count(tmp_path):
    """As spec2.master_background_mos has them."""
    source = write(tmp_path / "fixes.py", SCALE.format(factor=2))
    inner = {"steps": {"mos": {"skip": False, **hooked("fixes.scale")}}}

    assert hook_sources(inner, tmp_path) == (("fixes.scale", sha256_of(source)),)


def test_an_edited_hook_changes_the_key_and_is_told(tmp_path):
    """The failure to fear: a result that is stale, and claims to be current."""
    write(tmp_path / "fixes.py", SCALE.format(factor=2))
    old = with_hooks(tmp_path, "fixes.scale")
    write(tmp_path / "fixes.py", SCALE.format(factor=3))

    new = with_hooks(tmp_path, "fixes.scale")

    (reason,) = differences(old, new)
    assert key_of(old) != key_of(new)
    assert str(reason) == "detector1: hook fixes.scale changed"
    assert (reason.old, reason.new) == (old.hooks[0][1][:12], new.hooks[0][1][:12])


# ---- commands --------------------------------------------------------------------------------


def test_a_script_is_known_by_its_content_and_run_by_its_whole_path(tmp_path):
    """Given relative to where snakemake was called, run in another folder."""
    script = write(tmp_path / "tools/scale.sh", "#!/bin/sh\n", 0o755)

    found = hook_sources(hooked("tools/scale.sh {0}"), tmp_path)

    assert found == (("tools/scale.sh {0}", sha256_of(script)),)
    assert command("tools/scale.sh {0}", tmp_path) == f"{script} {{0}}"


def test_modules_that_a_script_imports_count(tmp_path):
    """As those of a function; Python looks for them in the folder of the script."""
    write(tmp_path / "tools/scale.py", "import factors\n")
    write(tmp_path / "tools/factors.py", "two = 2\n")

    found = [name for name, _ in hook_sources(hooked("python tools/scale.py {0}"), tmp_path)]

    hook = "python tools/scale.py {0}"
    assert found == [hook, f"{hook} (factors.py)", f"{hook} (tools/scale.py)"]


def test_files_that_a_program_is_given_count_too(tmp_path):
    """`python scale.py {0}` depends on scale.py, whatever its place in the command."""
    script = write(tmp_path / "my scale.py", "print()\n")
    hook = "env A=1 python 'my scale.py' {0}"

    found = dict(hook_sources(hooked(hook), tmp_path))

    assert found[f"{hook} (my scale.py)"] == sha256_of(script)
    assert command(hook, tmp_path) == f"env A=1 python '{script}' {{0}}"


def test_any_other_command_is_known_by_its_text(tmp_path):
    """A program of the system's is not the user's source."""
    assert which("ls")

    assert hook_sources(hooked("ls {0}"), tmp_path) == (("ls {0}", sha256(b"ls {0}").hexdigest()),)


def test_a_script_on_the_path_counts_by_its_content(tmp_path, monkeypatch):
    """~/bin is edited like any folder."""
    script = write(tmp_path / "bin/scale", "#!/bin/sh\n", 0o755)
    monkeypatch.setenv("PATH", f"{script.parent}{os.pathsep}{os.environ['PATH']}")

    assert hook_sources(hooked("scale {0}"), tmp_path) == (("scale {0}", sha256_of(script)),)


# ---- mistakes --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "source", [b"x = '\xe9'\n", b"# coding: utf-8\n\n\nx = '\xe9'\n", b"x = '\x00'\n"]
)
def test_bytes_that_are_no_text_are_a_mistake_with_the_name_of_the_file(tmp_path, source):
    """In the module of a hook, or in one that it imports."""
    write(tmp_path / "fixes.py", "import helper\n" + SCALE.format(factor=2))
    (tmp_path / "helper.py").write_bytes(source)

    (mistake,) = hook_mistakes(["fixes.scale"], "post_hooks", tmp_path)

    assert f"{tmp_path}/helper.py is not Python: " in mistake
    assert "None" not in mistake


@pytest.mark.parametrize(
    ("hook", "told"),
    [
        ("fixs.scale", "there is no module fixs in {base}"),
        ("fixes.scael", "{base}/fixes.py defines no scael"),
        ("broken.scale", "{base}/broken.py is not Python"),
        ("scael.sh {0}", "there is no file or program scael.sh in {base}"),
        ("plain.sh {0}", "{base}/plain.sh cannot be executed (chmod +x)"),
        ("fixes.Step(factor=2.0)", "cannot read a dot in the arguments"),
        ("ls {name}", "double all other braces"),
        (5, "expected a function"),
    ],
)
def test_a_hook_that_cannot_be_run_is_a_mistake(tmp_path, hook, told):
    """Place, what was found, what is wrong with it and where it was looked for."""
    write(tmp_path / "fixes.py", SCALE.format(factor=2))
    write(tmp_path / "broken.py", "def scale(:\n")
    write(tmp_path / "plain.sh", "#!/bin/sh\n")

    (line,) = hook_mistakes([hook], "recipes.deep.post_hooks", tmp_path)

    assert line.startswith(f"recipes.deep.post_hooks[0]: found {hook!r}")
    assert told.replace("{base}", str(tmp_path)) in line


@pytest.mark.parametrize(
    "hook",
    [
        "fixes.scale",
        "fixes.Step(factor=2)",
        "fixes.renamed",
        "./scale.sh {0} > log",
        "cd .. && ls",
        "A=1 ls",
    ],
)
def test_a_hook_that_can_be_run_is_no_mistake(tmp_path, hook):
    """Functions, classes with parameters, names bound under a condition, shell grammar."""
    text = "class Step: ...\ntry:\n    from math import floor as renamed\nexcept ImportError: ...\n"
    write(tmp_path / "fixes.py", SCALE.format(factor=2) + text)
    write(tmp_path / "scale.sh", "#!/bin/sh\n", 0o755)

    assert list(hook_mistakes([hook], "here", tmp_path)) == []


# ---- running ---------------------------------------------------------------------------------


def test_another_source_than_in_the_key_does_not_run(tmp_path):
    """Edited between plan and run: the result would not be what its key says."""
    write(tmp_path / "fixes.py", SCALE.format(factor=2))
    planned = with_hooks(tmp_path, "fixes.scale")
    write(tmp_path / "fixes.py", SCALE.format(factor=3))

    with pytest.raises(CalibrationError, match=r"hook fixes\.scale has changed .*run again"):
        check_hooks(planned, tmp_path)


def test_hooks_that_the_key_does_not_know_do_not_run(tmp_path):
    """A derivation from before hooks were in the key."""
    write(tmp_path / "fixes.py", SCALE.format(factor=2))
    planned = replace(with_hooks(tmp_path, "fixes.scale"), hooks=())

    with pytest.raises(CalibrationError, match="expected none"):
        check_hooks(planned, tmp_path)


@pytest.mark.usefixtures("imports")
def test_what_is_imported_is_what_was_hashed(tmp_path):
    """An edit of the same length within one second, which a .pyc file would hide."""
    source = write(tmp_path / "fixes_of_one_test.py", SCALE.format(factor=2))
    seen = source.stat()
    _compiled_beside(source)
    write(source, SCALE.format(factor=3))
    os.utime(source, ns=(seen.st_atime_ns, seen.st_mtime_ns))

    prepare(with_hooks(tmp_path, f"{source.stem}.scale"), tmp_path)

    assert importlib.import_module(source.stem).scale(1) == 3


@pytest.mark.usefixtures("imports")
def test_an_edit_while_it_is_loaded_is_refused(tmp_path):
    """Between the last look and the import."""
    source = write(tmp_path / "fixes_of_a_test.py", SCALE.format(factor=2))
    prepare(with_hooks(tmp_path, f"{source.stem}.scale"), tmp_path)
    write(source, SCALE.format(factor=3))

    with pytest.raises(CalibrationError, match="changed while it was being loaded"):
        importlib.import_module(source.stem)


@pytest.mark.usefixtures("imports")
def test_a_name_that_is_taken_is_refused(tmp_path):
    """The user's numpy.py would not be what stpipe's import gives."""
    write(tmp_path / "numpy.py", SCALE.format(factor=2))

    with pytest.raises(CalibrationError, match=r"numpy\.py cannot be imported.*rename your module"):
        prepare(with_hooks(tmp_path, "numpy.scale"), tmp_path)


def _compiled_beside(source: Path) -> None:
    """Leave the .pyc file that Python itself would."""
    import py_compile

    py_compile.compile(str(source), doraise=True)
    assert modules.find_module(source.stem, source.parent)


def test_parameters_without_hooks_and_files_are_as_they_were():
    """Nothing of a key changes for those who have neither."""
    plain = {"in_memory": True, "steps": {"jump": {"skip": True}, "photom": {"apply": [1, 2]}}}

    assert with_bare_names(plain) == plain
    assert hook_sources(plain, Path.cwd()) == ()
