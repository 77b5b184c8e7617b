"""Files and answers that others made: any failure to read one becomes one typed error.

Parsers of FITS, ASDF, YAML and JSON raise many classes of errors, crash, or take hours for input
that is damaged, or made to harm. Trees of YAML are therefore counted before they are built.
"""

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from jwmirror.core.errors import JwmirrorError, plain_text
from jwmirror.core.files import open_regular

MAX_TEXT = 400  # characters of a parser's message that are passed on
MAX_JSON = 64 << 20  # bytes; an association of 10,000 members has 2 MB
MAX_DEPTH = 300  # levels of a tree; libyaml's reader crashes beyond some 10,000
MAX_NODES = 3_000_000  # keys and values that a tree may have in the file: 1 GB when it is read
MAX_COPIES = 1_000_000  # nodes that its aliases may repeat; it may have MAX_RATIO of its own, too
MAX_RATIO = 20
_TREE_END = re.compile(rb"\r?\n\.\.\.(\r?\n|$)")  # as in asdf.constants
_TREE_OR_BLOCK = re.compile(rb"%YAML|\xd3BLK")  # where asdf begins to read


@contextmanager
def failures_as(error: Callable[[str], JwmirrorError]) -> Iterator[None]:
    """Convert every failure to read something foreign to the error that `error` makes of its text.

    Errors of jwmirror itself pass unchanged.
    """
    try:
        yield
    except JwmirrorError:
        raise
    except Exception as err:  # astropy, asdf, PyYAML, jwst and crds raise any class
        raise error(_reason(err)) from err


def _reason(err: Exception) -> str:
    """Return what a parser complains of, in one line."""
    text = plain_text(err) or type(err).__name__
    return (f"{text} is missing" if type(err) is KeyError else text)[:MAX_TEXT]


def is_of_this_machine(error: JwmirrorError) -> bool:
    """Return whether memory or disk of this machine failed, and not the content of a file."""
    cause = error.__cause__
    return isinstance(cause, MemoryError) or bool(isinstance(cause, OSError) and cause.errno)


def load_json(path: Path) -> Any:  # nested dicts, lists and values of JSON
    """Return the content of a JSON file; ValueError if it is larger than any of MAST's."""
    with open_regular(path) as file:
        content = file.read(MAX_JSON + 1)
    if len(content) > MAX_JSON:
        raise ValueError(f"expected at most {MAX_JSON} bytes of JSON, found more")
    return json.loads(content.decode("utf-8"))


# ---- trees of YAML ---------------------------------------------------------------------------


def check_asdf_tree(content: bytes) -> None:
    """Raise ValueError unless the tree of an ASDF file can be read in bounded time and memory."""
    end, start = _TREE_END.search(content), _TREE_OR_BLOCK.search(content)
    if not end:
        raise ValueError("the tree has no end")
    if start and start[0] == b"%YAML" and start.start() > end.start():
        raise ValueError("the tree begins after its end")  # asdf would read a part not checked
    check_yaml(content[: end.end()])


def check_yaml(text: bytes | str) -> None:
    """Raise ValueError unless a YAML text can be read in bounded time and memory.

    It is refused if it nests deeply, refers to itself, or has too many nodes, also where its
    aliases repeat a few many times.
    """
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    sizes = _TreeSizes()
    try:
        for event in yaml.parse(text, Loader=loader):
            sizes.add(event)
    except yaml.YAMLError as err:
        raise ValueError(f"it is not YAML: {plain_text(err)[:MAX_TEXT]}") from err


class _TreeSizes:
    """The nodes of a YAML text as far as it was read, with those that aliases repeat."""

    def __init__(self) -> None:
        self.written = 0
        self.open: list[tuple[str | None, int]] = []  # anchor, and nodes before it, of collections
        self.total = 0
        self.anchors: dict[str, int | None] = {}  # nodes of each; None while it is open

    def add(self, event: Any) -> None:  # an event of PyYAML, whose classes have no types
        """Count one event; ValueError if it is too much."""
        import yaml

        anchor = getattr(event, "anchor", None)
        if isinstance(event, yaml.AliasEvent):
            self._count(self._size_of(anchor))
        elif isinstance(event, yaml.CollectionStartEvent):
            self.open.append((anchor, self.total))
            self._count(1)
            self._remember(anchor, None)
        elif isinstance(event, yaml.CollectionEndEvent):
            anchor, before = self.open.pop()
            self._remember(anchor, self.total - before)
        elif isinstance(event, yaml.ScalarEvent):
            self._count(1)
            self._remember(anchor, 1)

    def _size_of(self, anchor: str | None) -> int:
        size = self.anchors.get(anchor or "", 0)
        if size is None:
            raise ValueError("it contains itself")
        return size

    def _remember(self, anchor: str | None, size: int | None) -> None:
        if anchor is not None:
            self.anchors[anchor] = size

    def _count(self, nodes: int) -> None:
        self.written += 1
        self.total += nodes
        copies = max(MAX_COPIES, MAX_RATIO * self.written)
        if len(self.open) > MAX_DEPTH:
            raise ValueError(f"it nests deeper than {MAX_DEPTH} levels")
        if self.written > MAX_NODES or self.total > copies + self.written:
            raise ValueError(f"it has more than {min(self.total, MAX_NODES)} nodes")
