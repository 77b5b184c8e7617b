"""Random mutations of the critical modules, made from their syntax trees.

Not mutated are texts for people (docstrings, f-strings, texts of errors, texts with blanks),
failpoints, which only tests use, and `strict` of zip, which checks what the code guarantees.
"""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import yaml

HERE = Path(__file__).parent
LIBRARY = HERE.parents[1] / "jwmirror"
COMPARISONS: dict[type[ast.cmpop], list[type[ast.cmpop]]] = {
    ast.Eq: [ast.NotEq],
    ast.NotEq: [ast.Eq],
    ast.Lt: [ast.LtE, ast.GtE],
    ast.LtE: [ast.Lt, ast.Gt],
    ast.Gt: [ast.GtE, ast.LtE],
    ast.GtE: [ast.Gt, ast.Lt],
    ast.In: [ast.NotIn],
    ast.NotIn: [ast.In],
    ast.Is: [ast.IsNot],
    ast.IsNot: [ast.Is],
}
ARITHMETIC: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.FloorDiv,
    ast.FloorDiv: ast.Mult,
    ast.BitOr: ast.BitAnd,
    ast.BitAnd: ast.BitOr,
}
FUNCTIONS = {"max": "min", "min": "max", "all": "any", "any": "all", "sorted": "list"}
STRICT = "strict"
GUARDS = ("check", "sync", "chmod", "restrict", "release", "close", "fsync")  # begin a call's name


Identification = tuple[str, str, str, str]  # file, line, text before and after


class Edit(NamedTuple):
    """A change of one piece of a module's source."""

    node: ast.expr | ast.stmt
    text: str
    is_guard: bool = False  # a removed check, fsync, raise or chmod


@dataclass(frozen=True)
class Candidate:
    """A possible mutation of a module."""

    file: str  # below jwmirror/
    line: int
    source: str  # the line, without indentation
    before: str
    after: str
    text: str  # of the whole file, mutated
    is_guard: bool

    @property
    def identification(self) -> Identification:
        """What says which mutation it is, also when lines above it have moved."""
        return self.file, self.source, self.before, self.after

    def __str__(self) -> str:
        return f"{self.file}:{self.line} | {self.before} -> {self.after}"


def critical_modules() -> dict[str, list[str]]:
    """Return the test files of each critical module."""
    tests: dict[str, list[str]] = yaml.safe_load((HERE / "modules.yaml").read_text())
    return tests


def equivalents() -> dict[Identification, str]:
    """Return why mutations change nothing that matters."""
    rows = yaml.safe_load((HERE / "equivalents.yaml").read_text()) or []
    return {(row["file"], row["line"], row["before"], row["after"]): row["why"] for row in rows}


def candidates(file: str) -> Iterator[Candidate]:
    """Yield every mutation of a module."""
    source = (LIBRARY / file).read_text()
    lines = source.splitlines()
    for edit in _edits(ast.parse(source)):
        start, end = _span(source, edit.node)
        before = source[start:end]
        yield Candidate(
            file=file,
            line=edit.node.lineno,
            source=lines[edit.node.lineno - 1].strip(),
            before=" ".join(before.split()),
            after=edit.text,
            text=source[:start] + edit.text + source[end:],
            is_guard=edit.is_guard,
        )


def _span(source: str, node: ast.expr | ast.stmt) -> tuple[int, int]:
    """Return where a node's text begins and ends, in characters."""
    lines = source.splitlines(keepends=True)

    def offset(line: int, column: int) -> int:
        return sum(map(len, lines[: line - 1])) + len(lines[line - 1].encode()[:column].decode())

    assert node.end_lineno is not None and node.end_col_offset is not None
    return offset(node.lineno, node.col_offset), offset(node.end_lineno, node.end_col_offset)


def _edits(tree: ast.AST) -> Iterator[Edit]:
    """Yield the edits of a node and of all below it."""
    for field, value in ast.iter_fields(tree):
        children = value if isinstance(value, list) else [value]
        for child in children:
            if not isinstance(child, ast.AST) or _is_skipped(tree, field, child):
                continue
            if isinstance(child, ast.expr):
                yield from _expression_edits(child)
            if isinstance(child, ast.stmt):
                yield from _statement_edits(child)
            yield from _edits(child)


def _is_skipped(parent: ast.AST, field: str, child: ast.AST) -> bool:
    """Return whether a node is a text for people, a type, or a decorator."""
    is_docstring = (
        isinstance(child, ast.Expr)
        and isinstance(child.value, ast.Constant)
        and isinstance(child.value.value, str)
    )
    is_message = isinstance(parent, ast.Raise)
    is_type = field in ("annotation", "returns", "decorator_list", "type_params")
    is_import = isinstance(child, ast.Import | ast.ImportFrom | ast.JoinedStr)
    is_strict = isinstance(child, ast.keyword) and child.arg == STRICT
    return is_docstring or is_message or is_type or is_import or is_strict or _is_failpoint(child)


def _is_failpoint(node: ast.AST) -> bool:
    call = node.value if isinstance(node, ast.Expr) else node
    return isinstance(call, ast.Call) and getattr(call.func, "id", "") == "failpoint"


def _statement_edits(node: ast.stmt) -> Iterator[Edit]:
    if isinstance(node, ast.Raise):
        yield Edit(node, "pass", is_guard=True)
    elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        function = node.value.func
        name = getattr(function, "attr", getattr(function, "id", ""))
        yield Edit(node, "pass", is_guard=name.lstrip("_").startswith(GUARDS))
    elif isinstance(node, ast.AugAssign | ast.Delete):
        yield Edit(node, "pass")
    elif isinstance(node, ast.Return) and node.value and ast.unparse(node.value) != "None":
        yield Edit(node, "return None")
    elif isinstance(node, ast.Continue):
        yield Edit(node, "break")
    elif isinstance(node, ast.If | ast.While):
        yield Edit(node.test, f"(not ({ast.unparse(node.test)}))")


def _expression_edits(node: ast.expr) -> Iterator[Edit]:
    for changed in _changed(node):
        yield Edit(node, f"({ast.unparse(changed)})")


def _changed(node: ast.expr) -> Iterator[ast.expr]:
    """Yield what may be written in place of an expression."""
    if isinstance(node, ast.Compare):
        for index, operator in enumerate(node.ops):
            for other in COMPARISONS[type(operator)]:
                operators = [*node.ops[:index], other(), *node.ops[index + 1 :]]
                yield ast.Compare(node.left, operators, node.comparators)
    elif isinstance(node, ast.BoolOp):
        yield ast.BoolOp(ast.Or() if isinstance(node.op, ast.And) else ast.And(), node.values)
        for index in range(len(node.values)):
            rest = node.values[:index] + node.values[index + 1 :]
            yield rest[0] if len(rest) == 1 else ast.BoolOp(node.op, rest)
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        yield node.operand
    elif isinstance(node, ast.IfExp):
        yield ast.IfExp(node.test, node.orelse, node.body)
    elif isinstance(node, ast.BinOp) and type(node.op) in ARITHMETIC:
        yield ast.BinOp(node.left, ARITHMETIC[type(node.op)](), node.right)
    elif isinstance(node, ast.Constant):
        yield from _changed_constant(node.value)
    elif isinstance(node, ast.Call):
        yield from _changed_call(node)
    elif isinstance(node, ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp):
        yield from _unfiltered(node)


def _changed_constant(value: object) -> Iterator[ast.expr]:
    if isinstance(value, bool):
        yield ast.Constant(not value)
    elif isinstance(value, int):
        yield ast.Constant(value + 1)
    elif isinstance(value, str) and value and " " not in value:
        yield ast.Constant("XX" + value)


def _changed_call(node: ast.Call) -> Iterator[ast.expr]:
    """Yield the call with one keyword less, or of the opposite function."""
    name = node.func.id if isinstance(node.func, ast.Name) else ""
    if name in FUNCTIONS:
        yield ast.Call(ast.Name(FUNCTIONS[name]), node.args, node.keywords)
    for index, keyword in enumerate(node.keywords):
        if keyword.arg == STRICT:
            continue
        rest = node.keywords[:index] + node.keywords[index + 1 :]
        yield ast.Call(node.func, node.args, rest)


def _unfiltered(
    node: ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp,
) -> Iterator[ast.expr]:
    """Yield the comprehension without its conditions."""
    if any(loop.ifs for loop in node.generators):
        loops = [ast.comprehension(g.target, g.iter, [], g.is_async) for g in node.generators]
        other = ast.parse(ast.unparse(node), mode="eval").body
        assert isinstance(other, type(node))
        other.generators = loops
        yield other
