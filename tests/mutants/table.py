"""The table of mutations: `table.yaml`, with what a user would suffer from each."""

from dataclasses import dataclass
from pathlib import Path

import yaml

from tests.mutants.runner import Mutation

HERE = Path(__file__).parent
LIBRARY = HERE.parents[1] / "jwmirror"


@dataclass(frozen=True, kw_only=True)
class Row:
    """A mutation of the table: a text that is once in a file, and what is written in its place."""

    file: str  # below jwmirror/
    original: str
    mutated: str
    tests: list[str]  # below tests/unit/; at least one must fail
    harm: str  # what a user would suffer

    def occurrences(self) -> int:
        """Return how often the original text is in the file; it must be once."""
        return (LIBRARY / self.file).read_text().count(self.original)

    def mutation(self) -> Mutation:
        """Return the mutation. ValueError unless the original text is in the file once."""
        if self.occurrences() != 1:
            raise ValueError(f"{self.file}: {self.occurrences()} times {self.original!r}, not once")
        text = (LIBRARY / self.file).read_text().replace(self.original, self.mutated)
        return Mutation(self.file, text, tuple(self.tests), f"{self.file}: {self.harm}")


def read_table() -> list[Row]:
    """Return the rows of the table."""
    return [Row(**row) for row in yaml.safe_load((HERE / "table.yaml").read_text())]
