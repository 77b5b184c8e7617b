"""The shape that the design promises: imports fall one way, and versions are named once."""

import ast
import re
import tomllib
from collections import Counter
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
WINGS = ("archive", "store", "recalibrate", "report", "compare")
GROUND = ("records", "comparison", "encoding", "errors", "failpoints", "files", "log", "science")
RULES = sorted((ROOT / "rules").glob("*.smk"))


def imports_of(path):
    """The jwmirror modules that a Python file imports, as dotted names."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


@pytest.mark.parametrize("wing", WINGS)
def test_wings_import_only_themselves_and_the_ground(wing):
    """A wing never imports another, nor the config, the command line or Snakemake."""
    allowed = {wing, *GROUND}

    for path in (ROOT / "jwmirror" / wing).rglob("*.py"):
        parts = [name.split(".") for name in imports_of(path)]
        ours = {part[1] for part in parts if part[0] == "jwmirror" and len(part) > 1}
        assert ours <= allowed, f"{path.relative_to(ROOT)} imports {sorted(ours - allowed)}"
        assert "snakemake" not in {part[0] for part in parts}, path


@pytest.mark.parametrize("module", GROUND)
def test_ground_imports_no_wing(module):
    """The ground stands on nothing but itself."""
    whole = ROOT / "jwmirror" / module
    for path in [*whole.glob("*.py"), *whole.parent.glob(f"{module}.py")]:
        for name in imports_of(path):
            if name.startswith("jwmirror."):
                assert name.split(".")[1] in GROUND, name


def test_each_rule_has_a_script_of_its_name():
    """`rule fetch_products` runs scripts/fetch_products.py, and no script is without a rule."""
    text = "\n".join(path.read_text() for path in RULES)

    rules = set(re.findall(r"^(?:rule|checkpoint) (\w+):", text, re.M))
    scripts = {path.stem for path in (ROOT / "scripts").glob("*.py")}

    assert rules == scripts
    assert set(re.findall(r'"../scripts/(\w+).py"', text)) == scripts


def test_rules_say_what_they_do_and_use_no_run_block():
    """Every rule has message, log and conda; `run:` would start a second Snakemake."""
    for path in RULES:
        blocks = re.split(r"^(?:rule|checkpoint) ", path.read_text(), flags=re.M)[1:]
        for block in blocks:
            for part in ("message:", "log:", "conda:", "script:", "output:"):
                assert part in block, f"{path.name}: {block.split(':')[0]} lacks {part}"
            assert not re.search(r"^\s+run:", block, re.M)


def test_parts_stay_small():
    """A table of contents, rules and scripts that one can read at a glance."""
    lines = {path: len(path.read_text().splitlines()) for path in ROOT.rglob("*.py")}

    assert len((ROOT / "Snakefile").read_text().splitlines()) <= 50
    assert all(len(path.read_text().splitlines()) <= 160 for path in RULES)
    for path in (ROOT / "scripts").glob("*.py"):
        assert lines[path] <= 40, path
    for path in (ROOT / "jwmirror").rglob("*.py"):
        assert lines[path] <= 400, path


def locked():
    """Package -> version, of envs/jwmirror.lock."""
    text = (ROOT / "envs" / "jwmirror.lock").read_text()
    return dict(re.findall(r"^([a-z0-9._-]+)==(\S+)", text, re.M))


def test_conda_file_names_the_versions_of_the_lock():
    """Whoever runs with --sdm conda gets the packages that pip users and the tests get."""
    conda = yaml.safe_load((ROOT / "envs" / "jwmirror.yaml").read_text())
    pip = next(each["pip"] for each in conda["dependencies"] if isinstance(each, dict))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

    named = dict(each.split("==") for each in pip)
    needed = {re.match(r"[a-z0-9-]+", each)[0] for each in project["dependencies"]}

    assert set(named) == needed
    assert named == {name: locked()[name] for name in named}


def test_lock_is_hashed_and_names_no_index():
    """Every package in the lock has a hash, and none a place to get it from."""
    text = (ROOT / "envs" / "jwmirror.lock").read_text()

    assert len(locked()) > 50
    assert text.count("==") <= text.count("--hash=sha256:")
    assert "://" not in text and "--index" not in text and "--find-links" not in text


def test_test_files_have_names_of_their_own():
    """pytest collects files of one name from two folders only one at a time."""
    names = Counter(path.name for path in (ROOT / "tests").rglob("test_*.py"))

    assert [name for name, count in names.items() if count > 1] == []
