"""The checks around a stage: the user's files, hooks and the code of jwst, before and after it."""

import sys
from pathlib import Path

import pytest

from jwmirror.core.errors import CalibrationError
from jwmirror.core.files import sha256_of
from jwmirror.core.model import Derivation
from jwmirror.engine import stage
from jwmirror.pipeline.child_environment import NO_PARS
from jwmirror.pipeline.derivation import engine_versions
from jwmirror.pipeline.usercode import hooks
from tests.setup.records import derivation


@pytest.fixture
def own(tmp_path: Path, monkeypatch) -> Derivation:
    """A derivation with a flat, a function and a script of the user's, in its folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(NO_PARS, "")  # which run_stage sets
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    monkeypatch.delitem(sys.modules, "fixes_of_stage", raising=False)
    flat = tmp_path / "mine.fits"
    flat.write_bytes(b"flat")
    (tmp_path / "fixes_of_stage.py").write_text("def scale(model): ...\n")
    (tmp_path / "script.py").write_text("import sys\n")
    hook = {"post_hooks": ["fixes_of_stage.scale", "python script.py {0}"]}
    steps = {"flat_field": {"override_flat": str(flat), **hook}}
    return derivation(
        "image2",
        engine=engine_versions(),
        parameters={"steps": steps},
        references={"flat_field.override_flat": ("mine.fits", sha256_of(flat))},
        hooks=hooks.hook_sources({"steps": steps}, tmp_path),
    )


def run(own: Derivation, tmp_path: Path) -> None:
    """Run the stage in an empty folder."""
    (tmp_path / "work").mkdir(exist_ok=True)
    stage.run_stage(own, tmp_path / "work", tmp_path)


def edit(path: Path) -> None:
    """Change a file of the user's."""
    path.write_bytes(path.read_bytes() + b"# edited\n")


@pytest.mark.parametrize("name", ["mine.fits", "fixes_of_stage.py", "script.py"])
def test_what_was_edited_since_the_plan_is_not_used(own, tmp_path, monkeypatch, name):
    """The pipeline is not even called."""
    called = []
    monkeypatch.setattr(stage, "_call", lambda *_: called.append(1))
    edit(tmp_path / name)

    with pytest.raises(CalibrationError, match="has changed since the plan was made"):
        run(own, tmp_path)

    assert called == []


@pytest.mark.parametrize("name", ["mine.fits", "fixes_of_stage.py", "script.py"])
def test_what_is_edited_while_the_pipeline_runs_spoils_the_result(own, tmp_path, monkeypatch, name):
    """It may have read either content, so nothing is kept."""
    monkeypatch.setattr(stage, "_call", lambda *_: edit(tmp_path / name))
    monkeypatch.setattr(stage, "check_products", lambda *_: pytest.fail("it went on"))

    with pytest.raises(CalibrationError, match="has changed since the plan was made"):
        run(own, tmp_path)


def test_a_pipeline_that_changes_nothing_goes_on_to_its_products(own, tmp_path, monkeypatch):
    """Here it made none, which is the next check."""
    monkeypatch.setattr(stage, "_call", lambda *_: frozenset())

    with pytest.raises(CalibrationError, match="made no file"):
        run(own, tmp_path)


def test_code_that_is_installed_while_the_pipeline_runs_spoils_the_result(
    own, tmp_path, monkeypatch
):
    """An upgrade in the middle: the result could be of both versions."""

    def upgraded(*_: object) -> None:
        monkeypatch.setattr(stage, "engine_code", dict)

    monkeypatch.setattr(stage, "_call", upgraded)

    with pytest.raises(CalibrationError, match="installed is"):
        run(own, tmp_path)


@pytest.mark.parametrize(
    ("filename", "expected"),
    [
        ("x_cal.fits", True),
        ("x_cat.ecsv", True),
        ("x_uncal_extra.fits", True),
        ("x_cal.log", False),
        ("other_cal.fits", False),
        ("xx_cal.fits", False),
    ],
)
def test_only_files_of_the_product_belong_to_the_result(filename, expected):
    """Hooks may leave others beside them."""
    assert stage.is_result(filename, derivation(product="x")) is expected
