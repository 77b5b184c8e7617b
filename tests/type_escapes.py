"""Print where the strictly typed packages escape from types: `python -m tests.type_escapes`.

An escape is `Any`, `typing.cast` or `type: ignore`. Each needs a reason in a comment on its line.
"""

import ast
import re
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

LIBRARY = Path(__file__).parents[1] / "jwmirror"
STRICT = ("core", "planning", "store")
IGNORED = re.compile(r"type: ignore\[[a-z-]+\]")


def escapes(path: Path) -> Iterator[tuple[int, str]]:
    """Yield line number and kind of each escape in a file."""
    source = path.read_text()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Name) and node.id == "Any":
            yield node.lineno, "Any"
        elif isinstance(node, ast.Call) and getattr(node.func, "id", "") == "cast":
            yield node.lineno, "cast"
    for number, line in enumerate(source.splitlines(), 1):
        if IGNORED.search(line):
            yield number, "type: ignore"


def main() -> int:
    """Print counts and reasons; return 1 if a reason is missing."""
    counts: Counter[str] = Counter()
    missing = 0
    for package in STRICT:
        for path in sorted((LIBRARY / package).rglob("*.py")):
            lines = path.read_text().splitlines()
            for number, kind in sorted(set(escapes(path))):
                reason = IGNORED.sub("", lines[number - 1].partition("#")[2]).strip(" #:")
                reason = reason.removeprefix("Any:").strip()
                counts[kind] += 1
                missing += not reason
                place = f"{path.relative_to(LIBRARY.parent)}:{number}"
                print(f"{place}: {kind}: {reason or 'NO REASON GIVEN'}")
    print(", ".join(f"{counts[kind]} {kind}" for kind in ("Any", "cast", "type: ignore")))
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
