"""Software outside keys: which published results were made with other versions than installed."""

from dataclasses import replace
from io import StringIO

import pytest
from rich.console import Console

from jwmirror.core.errors import CalibrationError
from jwmirror.core.model import Recipe, canonical
from jwmirror.core.model.run import Run
from jwmirror.planning.resolvers.by_environment import Resolvers
from jwmirror.report.explanation import Explanation
from jwmirror.report.status import OtherVersion, Preview, build_status
from jwmirror.report.terminal.explain import explanation_page
from jwmirror.report.terminal.status import plan_page
from jwmirror.services.inspect.software import (
    differing_versions,
    installed_software,
    modified_engines,
    other_versions,
)
from jwmirror.store.generations import Generations
from jwmirror.store.provenance import Provenance
from tests.setup.plans import PlanSources

MODIFIED = "jwst 3.0.0, modified: 2 files differ from its release (a.py, b.py)"
THEN = {"numpy": "1.26", "drizzle": "2.0", "python": "3.11", "jwst": MODIFIED}
NOW = {"numpy": "2.0", "drizzle": "2.0", "python": "3.12", "photutils": "2"}


@pytest.fixture
def mirror(small_mirror):
    """A mirror with one result whose software is on record, and one of an older jwmirror."""
    provenance = Provenance(small_mirror.root)
    key = next(filter(None, Generations(small_mirror.root).entries().column("key")))
    record = replace(provenance.read(key), software=THEN)
    provenance.path(key).chmod(0o644)
    provenance.path(key).write_text(canonical(record))
    return small_mirror.root


def shown(page: object) -> str:
    """A page as text, without line breaks."""
    console = Console(file=StringIO(), width=2000)
    console.print(page)
    return console.file.getvalue()


def test_results_of_other_versions_are_counted(mirror):
    """Only packages that compute and are not in keys; what was not recorded is not compared."""
    (other,) = other_versions(mirror, {"deep": NOW})

    assert other == OtherVersion(
        recipe="deep", name="numpy", version="1.26", installed="2.0", results=1
    )
    assert other_versions(mirror, {"deep": THEN}) == other_versions(mirror, {}) == ()


def test_each_environment_is_compared_with_its_own_software():
    """One that does not work is left out."""
    recipes = [Recipe(name=name, programs=(1,), python=name) for name in ("old", "broken")]

    def resolver(python: str, context: str) -> object:
        if python == "broken":
            raise CalibrationError("no jwst")
        return PlanSources()

    assert list(installed_software(recipes, Resolvers("", resolver))) == ["old"]


def test_status_has_one_line_and_says_what_is_modified(mirror):
    """And does not call these results out of date."""
    installed = {"deep": NOW | {"jwst": MODIFIED}}
    preview = Preview(
        plans=(),
        notes=tuple(modified_engines(installed)),
        other_versions=other_versions(mirror, installed),
    )
    status = build_status("m", None, (), Run(id="r"), preview)

    page = shown(plan_page(status))

    assert "made with other versions than are installed: deep: numpy 1.26 (1; now 2.0)." in page
    assert f"recipe deep runs {MODIFIED}" in page
    assert "Nothing needs to be recalibrated" in page


def test_explain_shows_modified_code_and_other_versions(mirror):
    """In the facts of the file."""
    entry = next(entry for entry in Generations(mirror).entries() if entry.key)
    record = replace(Provenance(mirror).read(entry.key), software=THEN)
    versions = tuple(differing_versions(THEN, NOW))
    explanation = Explanation(generation=1, entry=entry, record=record, other_versions=versions)

    page = shown(explanation_page(explanation))

    assert "numpy: 1.26 -> 2.0 (not in the key)" in page and MODIFIED in page
