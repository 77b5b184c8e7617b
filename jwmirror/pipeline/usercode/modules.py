"""The user's Python modules: found as an import finds them, without executing them.

They are then loaded from exactly the bytes that were hashed, not from a .pyc file or a later edit.
"""

import ast
import importlib
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from importlib.util import decode_source, resolve_name, spec_from_file_location
from itertools import accumulate
from pathlib import Path
from sysconfig import get_paths
from typing import Any

from jwmirror.core.errors import CalibrationError
from jwmirror.core.files import read_bytes, sha256_of
from jwmirror.pipeline.usercode.installed import is_of_jwst

PACKAGE = "__init__.py"
INSTALLED = frozenset(["site-packages", "dist-packages"])  # folders of installed packages
Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


@dataclass(frozen=True, kw_only=True)
class Module:
    """The source file of a module, and its sha256 when it was found."""

    name: str  # package.module
    path: Path
    root: Path  # the folder on the search path with its top package
    sha256: str

    @property
    def is_own(self) -> bool:
        """True if it belongs to the user, not to the Python environment."""
        stdlib = Path(get_paths()["stdlib"])
        return INSTALLED.isdisjoint(self.path.parts) and stdlib not in self.path.parents

    @property
    def top(self) -> str:
        """The name of its top package."""
        return self.name.partition(".")[0]

    @property
    def package(self) -> str:
        """The package from which its relative imports start."""
        return self.name if self.path.name == PACKAGE else self.name.rpartition(".")[0]


def find_module(name: str, base: Path) -> Module | None:
    """Return the module that `import name` would load with `base` first on the search path."""
    importlib.invalidate_caches()
    spec, root = None, base
    path: Any = [str(base), *filter(None, sys.path)]
    for whole in accumulate(name.split("."), "{}.{}".format):
        spec = _spec(whole, path)
        if spec is None:
            return None
        if "." not in whole:
            root = _root(spec)
        path = spec.submodule_search_locations or []
    if spec is None or not spec.has_location or spec.origin is None:
        return None
    source = Path(spec.origin).absolute()
    return Module(name=name, path=source, root=root, sha256=sha256_of(source))


def _spec(name: str, path: Any) -> ModuleSpec | None:
    if not name.rpartition(".")[2].isidentifier():
        return None
    for finder in sys.meta_path:
        searched = path if finder is PathFinder or "." in name else None
        found = finder.find_spec(name, searched)
        if found is not None:
            return found
    return None


def _root(spec: ModuleSpec) -> Path:
    if spec.submodule_search_locations:
        return Path(next(iter(spec.submodule_search_locations))).absolute().parent
    return Path(spec.origin or ".").absolute().parent


# ---- what a module needs ---------------------------------------------------------------------


def with_own_imports(module: Module, base: Path) -> tuple[Module, ...]:
    """Return the module and all modules of the user that it imports, also indirectly.

    They count from whichever folder they are imported, except packages that jwst requires. Imports
    by computed names are not found.

    Raises:
        SyntaxError: a source is not Python.
    """
    found = {module.name: module}
    pending = [module] if module.is_own and module.path.suffix == ".py" else []
    while pending:
        for name in sorted(_imported(pending.pop())):
            other = None if name in found else find_module(name, base)
            if other and _counts(other, module.root, base):
                found[name] = other
                if other.path.suffix == ".py":
                    pending.append(other)
    return tuple(found[name] for name in [module.name, *sorted(found.keys() - {module.name})])


def _counts(module: Module, root: Path, base: Path) -> bool:
    """Return whether an imported module is part of the user's code; `root` is the hook's."""
    return module.is_own and (module.root in (root, base) or not is_of_jwst(module.top))


def imported_packages(found: Iterable[Module]) -> set[str]:
    """Return the top packages of others that the user's modules import, or that they are in."""
    names = {each.top for each in found if not each.is_own}
    own = [each for each in found if each.is_own and each.path.suffix == ".py"]
    names |= {name.partition(".")[0] for module in own for name in _imported(module)}
    return names - {module.top for module in own}


def _imported(module: Module) -> set[str]:
    """Return the names of modules that a source may import, and of their packages."""
    names = {module.name}
    for node in ast.walk(_tree(module)):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            origin = _origin(node, module)
            names.update(f"{origin}.{alias.name}" for alias in node.names if alias.name != "*")
            names.add(origin)
    whole = {each for name in names for each in accumulate(name.split("."), "{}.{}".format)}
    return whole - {module.name, ""}


def _origin(node: ast.ImportFrom, module: Module) -> str:
    if not node.level:
        return node.module or ""
    try:
        return resolve_name("." * node.level + (node.module or ""), module.package)
    except ImportError:  # beyond the top package: the import itself will fail
        return ""


def defines(module: Module, name: str) -> bool:
    """Return whether a source may bind `name`; raise SyntaxError if it is not Python."""
    if module.path.suffix != ".py":
        return True
    return not {name, "*", "__getattr__"}.isdisjoint(_bound(_tree(module)))


def _bound(tree: ast.AST) -> Iterator[str]:
    """Yield the names that are bound at module level."""
    for node in _module_level(tree):
        if isinstance(node, Definition):
            yield node.name
        elif isinstance(node, ast.Import | ast.ImportFrom):
            yield from (a.asname or a.name.partition(".")[0] for a in node.names)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id


def _module_level(tree: ast.AST) -> Iterator[ast.AST]:
    """Yield the nodes at module level, also under if, try and with."""
    for node in ast.iter_child_nodes(tree):
        yield node
        if not isinstance(node, Definition):
            yield from _module_level(node)


def call_problem(module: Module, name: str) -> str:
    """Return why `name` of a module cannot be called with one argument; "" if it can.

    Also "" if that is not known, because the name is imported or computed.
    """
    if module.path.suffix != ".py":
        return ""
    nodes = _module_level(_tree(module))
    found = [node for node in nodes if isinstance(node, Definition) and node.name == name]
    if not found:
        return ""
    if not isinstance(found[-1], ast.FunctionDef):
        return f"{name} is {'a class' if isinstance(found[-1], ast.ClassDef) else 'async'}"
    rules = found[-1].args
    places = [*rules.posonlyargs, *rules.args]
    needed = len(places) - len(rules.defaults)
    named = [a.arg for a, d in zip(rules.kwonlyargs, rules.kw_defaults, strict=True) if d is None]
    if needed > 1 or named:
        wants = [each.arg for each in places[:needed]] + named
        return f"{name} needs {len(wants)} arguments ({', '.join(wants)})"
    return "" if places or rules.vararg else f"{name} takes no argument"


def _tree(module: Module) -> ast.Module:
    """Return the syntax tree of a source; SyntaxError, with its path, if it is not Python."""
    path = str(module.path)
    try:
        return ast.parse(decode_source(read_bytes(module.path)), path)
    except (SyntaxError, ValueError) as err:  # ValueError: undecodable bytes, or null bytes
        line, why = getattr(err, "lineno", None), getattr(err, "msg", str(err))
        raise SyntaxError(why, (path, line, None, None)) from err


# ---- loading ---------------------------------------------------------------------------------


def install_finder(modules: Mapping[str, Module]) -> None:
    """Let this process import these modules from the bytes that were hashed.

    Raises:
        CalibrationError: another module of the same name is already imported.
    """
    for name, module in modules.items():
        loaded = sys.modules.get(name)
        origin = getattr(loaded, "__file__", None)
        if loaded is not None and (origin is None or Path(origin) != module.path):
            raise CalibrationError(
                f"{module.path} cannot be imported: Python or the pipeline already uses a module "
                f"{name} ({origin or 'built in'}); rename your module."
            )
    for name in modules:
        sys.modules.pop(name, None)
    sys.meta_path.insert(0, HashedModuleFinder(modules))


class HashedModuleFinder(MetaPathFinder):
    """Finds only the given modules."""

    def __init__(self, modules: Mapping[str, Module]):
        self._modules = dict(modules)

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        """Return the spec of a given module; None for any other module."""
        module = self._modules.get(name)
        if module is None or module.path.suffix != ".py":
            return None
        inside = [str(module.path.parent)] if module.path.name == PACKAGE else None
        return spec_from_file_location(
            name, module.path, loader=HashedSourceLoader(module), submodule_search_locations=inside
        )


class HashedSourceLoader(SourceFileLoader):
    """Compiles a source from the bytes that were hashed; it does not use .pyc files."""

    def __init__(self, module: Module):
        super().__init__(module.name, str(module.path))
        self._sha256 = module.sha256

    def get_code(self, fullname: str) -> Any:
        """Return the code; raise CalibrationError if the source has changed since it was hashed."""
        source = self.get_data(self.path)
        if sha256(source).hexdigest() != self._sha256:
            raise CalibrationError(f"{self.path} changed while it was being loaded; run again.")
        return self.source_to_code(source, self.path)
