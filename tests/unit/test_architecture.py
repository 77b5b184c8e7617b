"""The shape that docs/architecture.md promises: floors, small parts, one name for one thing."""

import ast
import re
import statistics
from collections import Counter, defaultdict
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FLOOR = {
    "core": 1,
    "net": 2,
    "store": 2,
    "pipeline": 2,
    "compare": 2,
    "report": 2,
    "archive": 3,
    "astrometry": 3,
    "crds": 3,
    "planning": 3,
    "engine": 3,
    "config": 3,
    "services": 4,
    "cli": 5,
    "mirror": 5,
    "__main__": 6,  # `python -m jwmirror`
}
LOOKUP = "store.maintenance.lookup"
ENTRY_POINTS = {  # what they may import of jwmirror
    "cli": ("services", "core", "report.terminal", "config", "cli", "__version__"),
    "mirror.py": ("services", "core", "report.explanation", "store.generations", LOOKUP),
    "scripts": ("services", "core"),
    "rules": ("services", "core", "config", "store.runs"),
}
RULES = sorted((ROOT / "rules").glob("*.smk"))
LIBRARY = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for path in (ROOT / "jwmirror").rglob("*.py")
}
SIMULATOR = sorted((ROOT / "jwmirror_simulator").rglob("*.py"))
RUN_FILES = (
    "changes.json",
    "listings.json",
    "orders.json",
    "settling.json",
    "conclusion.json",
    "published.json",
)
MAIN = {"main", "serve"}  # of programs that other processes start


def tree(path):
    """Return the syntax tree of a Python file, or of the imports of a rule file."""
    text = path.read_text()
    if path.suffix == ".smk":
        text = "\n".join(re.findall(r"^from jwmirror\S* import (?:\([^)]*\)|.*)$", text, re.M))
    return ast.parse(text)


def imports(path):
    """Yield the modules of jwmirror that a file imports, as dotted names without `jwmirror.`."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "jwmirror":
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                yield (full if full in LIBRARY or node.module == "jwmirror" else node.module)[9:]
        elif isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.startswith("jwmirror."):
                    yield alias.name[9:]


def functions():
    """Yield (place, node) of every function and method of the library."""
    for path in LIBRARY.values():
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield f"{path.relative_to(ROOT)}:{node.lineno} {node.name}", node


def test_imports_go_to_lower_floors_only():
    """A package imports itself and packages of lower floors; never sideways, never up."""
    wrong = []
    for name, path in LIBRARY.items():
        package = name.split(".")[1] if "." in name else None
        for imported in imports(path) if package else ():
            other = imported.split(".")[0]
            if other != package and FLOOR.get(other, 0) >= FLOOR[package]:
                wrong.append(f"{name} imports jwmirror.{imported}")

    assert wrong == []
    assert {name.split(".")[1] for name in LIBRARY if "." in name} == set(FLOOR)


@pytest.mark.parametrize("folder", ENTRY_POINTS)
def test_entry_points_call_services(folder):
    """Commands, scripts and rules unpack, call a service and print; nothing else is in reach."""
    where = ROOT / (f"jwmirror/{folder}" if folder in ("cli", "mirror.py") else folder)
    found = where.rglob("*.smk" if folder == "rules" else "*.py")
    files = [where] if where.is_file() else sorted(found)
    allowed = ENTRY_POINTS[folder]

    wrong = [
        f"{path.relative_to(ROOT)} imports jwmirror.{name}"
        for path in files
        for name in imports(path)
        if not any(name == each or name.startswith(f"{each}.") for each in allowed)
    ]

    assert wrong == []


def test_files_do_not_import_each_other_in_circles():
    """Each file of the library and of the simulator can be understood after those it imports."""
    graph = {name[9:]: {*imports(path)} - {name[9:]} for name, path in LIBRARY.items()}

    try:
        list(TopologicalSorter(graph).static_order())
    except CycleError as error:
        pytest.fail(f"import cycle: {' -> '.join(error.args[1])}")


def test_the_library_knows_nothing_of_snakemake():
    """Nor does the simulator know anything of jwmirror."""
    library = {name for path in LIBRARY.values() for name in imported_packages(path)}
    simulator = {name for path in SIMULATOR for name in imported_packages(path)}

    assert "snakemake" not in library
    assert not {"jwmirror", "demo", "tests"} & simulator


def imported_packages(path):
    """Yield the top-level packages that a file imports."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield node.module.split(".")[0]
        elif isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)


def test_a_folder_has_at_most_twelve_modules():
    """Someone who lists a folder sees what is in it."""
    modules = [path for path in [*LIBRARY.values(), *SIMULATOR] if path.name != "__init__.py"]
    counts = Counter(str(path.parent.relative_to(ROOT)) for path in modules)

    assert {folder: count for folder, count in counts.items() if count > 12} == {}


def test_no_public_name_is_defined_twice():
    """A class or function name means one thing in the whole library."""
    places = defaultdict(list)
    for name, path in LIBRARY.items():
        for node in tree(path).body:
            if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
                places[node.name].append(name)

    assert {name: at for name, at in places.items() if len(at) > 1 and name not in MAIN} == {}


def test_the_files_of_a_run_are_named_in_one_module():
    """Rules, scripts and services take the names from store/runs.py."""
    sources = [*LIBRARY.values(), *RULES, *(ROOT / "scripts").glob("*.py")]
    naming = {
        str(path.relative_to(ROOT))
        for path in sources
        if any(f"{mark}{name}" in path.read_text() for name in RUN_FILES for mark in "\"'/")
    }

    assert naming == {"jwmirror/store/runs.py"}


def test_functions_fit_a_screen():
    """The lengths that the library had when this test was written, docstrings included."""
    lengths = sorted(node.end_lineno - node.lineno + 1 for _, node in functions())

    assert statistics.median(lengths) <= 8
    assert lengths[len(lengths) * 9 // 10] <= 19
    assert lengths[-1] <= 46


def test_docstrings_say_what_is_done():
    """The first word is a verb or a thing, not a question word."""
    questions = {"What", "Whether", "Where", "How", "Which", "Who", "Whose", "Why", "Of", "Whom"}
    wrong = [
        place
        for place, node in functions()
        if (text := ast.get_docstring(node)) and text.split()[0] in questions
    ]

    assert wrong == []


def test_architecture_page_names_modules_that_exist():
    """docs/architecture.md leads a reader to files that are there."""
    text = (ROOT / "docs" / "architecture.md").read_text()
    named = set(re.findall(r"`((?:[a-z_0-9]+/)+[a-z_0-9]+\.py)`", text))

    places = [ROOT, ROOT / "jwmirror"]
    assert len(named) > 40
    assert [name for name in named if not any((place / name).exists() for place in places)] == []


def test_each_rule_has_a_script_of_its_name():
    """`rule fetch_products` runs scripts/fetch_products.py, which calls `fetch_products`."""
    text = "\n".join(path.read_text() for path in RULES)

    rules = set(re.findall(r"^(?:rule|checkpoint) (\w+):", text, re.M))
    scripts = {path.stem: path.read_text() for path in (ROOT / "scripts").glob("*.py")}

    assert rules == set(scripts)
    assert set(re.findall(r'"../scripts/(\w+).py"', text)) == set(scripts)
    assert [name for name, code in scripts.items() if f"{name}(" not in code] == []


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
    assert lines_of(ROOT / "Snakefile") <= 50
    assert {path.name: lines_of(path) for path in RULES if lines_of(path) > 160} == {}
    assert [path.name for path in (ROOT / "scripts").glob("*.py") if lines_of(path) > 30] == []
    assert [name for name, path in LIBRARY.items() if lines_of(path) > 400] == []


def lines_of(path):
    """Return the number of lines of a file."""
    return len(path.read_text().splitlines())


def test_test_files_have_names_of_their_own():
    """pytest collects files of one name from two folders only one at a time."""
    names = Counter(path.name for path in (ROOT / "tests").rglob("test_*.py"))

    assert [name for name, count in names.items() if count > 1] == []
