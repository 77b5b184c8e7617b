"""The table of mutations fits the code: each original text is there once, and each test exists."""

from pathlib import Path

import pytest

from tests.mutants.sampling import LIBRARY, candidates, critical_modules, equivalents
from tests.mutants.table import read_table

UNIT = Path(__file__).parent
ROWS = read_table()


@pytest.mark.parametrize(
    "row", ROWS, ids=[f"{number}-{row.file}" for number, row in enumerate(ROWS)]
)
def test_a_mutation_of_the_table_can_be_made(row):
    """The text is once in the file, is changed, and the tests that must notice exist."""
    tests = [test.partition("::") for test in row.tests]

    assert row.occurrences() == 1, row.original
    assert row.mutated != row.original and row.harm
    for file, _, function in tests:
        assert f"def {function.partition('[')[0]}" in (UNIT / file).read_text()


def test_the_table_is_large_and_has_no_row_twice():
    """At least 60 kinds of harm, each once."""
    assert len({row.harm for row in ROWS}) == len(ROWS) >= 60


@pytest.mark.parametrize("module", critical_modules())
def test_a_critical_module_and_its_tests_exist(module):
    """The sample finds the module, and the test files that must notice."""
    assert (LIBRARY / module).is_file()
    assert all((UNIT / test).is_file() for test in critical_modules()[module])


def test_a_mutation_that_is_called_equivalent_exists():
    """Each names a file, a text and its replacement that the sample can make, and why."""
    known = equivalents()
    files = {file for file, *_ in known}

    made = {candidate.identification for file in files for candidate in candidates(file)}

    assert known.keys() <= made
    assert all(known.values())
