"""Hooks: the user's code that stpipe runs before or after a step, identified by its source.

A hook is a function or Step class (fixes.scale), or a shell command (scale.sh {0}). As in stpipe
1.1, it is Python if the part before the last dot is a module that can be imported. Nothing is
executed to decide this.
"""

import os
import re
import shlex
import shutil
from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

from jwmirror.core.errors import CalibrationError
from jwmirror.core.files import open_regular, sha256_of
from jwmirror.core.model import Derivation
from jwmirror.pipeline.usercode import files, modules
from jwmirror.pipeline.usercode.files import check_unchanged, map_texts
from jwmirror.pipeline.usercode.installed import installed_packages

KINDS = ("pre_hooks", "post_hooks")
BETWEEN = "between"  # of a pipeline: functions that jwmirror runs on its inputs (see between.py)
OURS = (BETWEEN, files.BETWEEN_FILES)  # parameters that jwst does not know
CALL = re.compile(r"\s*[\w.]+\((?P<arguments>.*)\)\s*", re.DOTALL)  # a Step class with parameters
DOTTED = re.compile(r"\s*[A-Za-z_]\w*(\.[A-Za-z_]\w*)+\s*")
TOKEN = re.compile(r"'[^']*'|\"[^\"]*\"|[^\s;|&<>()='\"]+")
SHELL = re.compile(  # first words that are part of the shell
    r"[.:!{]|\[\[?|case|cd|command|echo|eval|exec|export|for|if|printf|set|source|test|time|trap|"
    r"ulimit|umask|unset|until|while"
)
Sources = tuple[tuple[str, str], ...]  # (name, sha256), as in a derivation


class UntraceableError(CalibrationError):
    """A hook's source cannot be found or read."""


def hook_names(parameters: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the hooks in a pipeline's parameters, and the functions that run before it.

    The hooks of skipped steps are included, because stpipe runs them.
    """
    return tuple(dict.fromkeys(_named(parameters)))


def _named(parameters: Mapping[str, Any]) -> Iterator[str]:
    """Yield the hooks of a pipeline or step, then those of its steps."""
    for kind in (*KINDS, BETWEEN):
        yield from parameters.get(kind) or ()
    for step in parameters.get("steps", {}).values():
        yield from _named(step)


def hook_sources(parameters: Mapping[str, Any], base: Path) -> Sources:
    """Return (name, sha256) of each hook, and of modules, packages and files that it uses.

    Relative paths and the user's modules are looked for in `base`.

    Raises:
        CalibrationError: a source cannot be found or read.
    """
    return tuple(sorted({pair for hook in hook_names(parameters) for pair in _sources(hook, base)}))


def _sources(hook: str, base: Path) -> Iterator[tuple[str, str]]:
    found = _module_and_imports(hook, base)
    if found:
        yield hook, found[0].sha256
        yield from _imports(hook, found)
    else:
        yield from _command_sources(hook, base)


def _imports(hook: str, found: Sequence[modules.Module]) -> Iterator[tuple[str, str]]:
    """Yield what the first of the user's modules imports: the others, and installed packages."""
    for module in found[1:]:
        yield f"{hook} ({module.path.relative_to(module.root)})", module.sha256
    for package in installed_packages(modules.imported_packages(found)):
        yield f"{hook} ({package.name} {package.version})", package.content


# ---- Python ----------------------------------------------------------------------------------


def _module(hook: str, base: Path) -> modules.Module | None:
    """Return the module that stpipe would import; None if it would run the hook as a command."""
    name = hook.strip().rpartition(".")[0]
    return modules.find_module(name, base) if name else None


def _module_and_imports(hook: str, base: Path) -> tuple[modules.Module, ...]:
    """Return the module of a hook and the user's modules that it imports; empty for a command.

    Raises:
        UntraceableError: the module is not Python, or does not define the hook.
    """
    module = _module(hook, base)
    if module is None:
        return ()
    try:
        found = modules.with_own_imports(module, base)
        attribute = hook.strip().rpartition(".")[2].partition("(")[0]
        is_defined = modules.defines(module, attribute)
    except SyntaxError as err:
        line = f" (line {err.lineno})" if err.lineno else ""
        raise UntraceableError(f"{err.filename} is not Python: {err.msg}{line}") from err
    if not is_defined:
        raise UntraceableError(
            f"{module.path} defines no {attribute}; correct the name, or define it"
        )
    return found


# ---- commands --------------------------------------------------------------------------------


def _command_sources(hook: str, base: Path) -> Iterator[tuple[str, str]]:
    files = dict(_files(hook, base))
    first = _first(hook)
    if first not in files:
        script = _script_on_path(first)
        yield hook, sha256_of(script) if script else sha256(hook.encode()).hexdigest()
    for word, path in files.items():
        yield hook if word == first else f"{hook} ({word})", sha256_of(path)
        if path.suffix == ".py":
            yield from _script_imports(hook, path)


def _script_imports(hook: str, path: Path) -> Iterator[tuple[str, str]]:
    """Yield the modules and packages that a Python script imports, as for a function."""
    script = modules.Module(name=path.stem, path=path, root=path.parent, sha256=sha256_of(path))
    try:
        found = modules.with_own_imports(script, path.parent)
    except SyntaxError:  # of another version of Python: it is known by its own content only
        return
    yield from _imports(hook, found)


def command(hook: str, base: Path) -> str:
    """Return a hook that runs in any folder: commands with absolute paths of files."""
    if _module(hook, base) is not None:
        return hook
    files = dict(_files(hook, base))

    def absolute(match: re.Match[str]) -> str:
        path = files.get(_bare(match[0]))
        return shlex.quote(str(path)).replace("{", "{{").replace("}", "}}") if path else match[0]

    return TOKEN.sub(absolute, hook)


def _files(hook: str, base: Path) -> Iterator[tuple[str, Path]]:
    """Yield the words of a command that name files, and their paths."""
    for match in TOKEN.finditer(hook):
        word = _bare(match[0])
        path = os.path.join(base, os.path.expanduser(word))
        if os.path.isfile(path):
            yield word, Path(path).absolute()


def _bare(token: str) -> str:
    return token[1:-1] if token[0] in "'\"" else token


def _first(hook: str) -> str:
    """Return the program of a command; "" if the command begins with shell syntax."""
    match = TOKEN.match(hook.strip())
    if match is None or hook.strip()[match.end() : match.end() + 1] in ("=", "("):
        return ""
    return _bare(match[0])


def _script_on_path(word: str) -> Path | None:
    """Return the script of a program's name; None for a binary, which is identified by name."""
    place = shutil.which(word) if word else None
    if place is None:
        return None
    with open_regular(place) as file:
        return Path(place) if file.read(2) == b"#!" else None


# ---- mistakes --------------------------------------------------------------------------------


def hook_mistakes(hooks: Any, place: str, base: Path) -> Iterator[str]:
    """Yield the mistakes in a list of hooks."""
    for number, hook in enumerate(hooks if isinstance(hooks, list | tuple) else ()):
        where = f"{place}[{number}]: found {hook!r}"
        if not isinstance(hook, str) or not hook.strip():
            yield f"{where}, expected a function (module.function), a Step class or a command."
        elif problem := _problem(hook, base):
            yield f"{where}; {problem}."


def _problem(hook: str, base: Path) -> str:
    call = CALL.fullmatch(hook)
    if call and "." in call["arguments"]:
        return "stpipe cannot read a dot in the arguments; set them in your own function"
    try:
        return "" if _module_and_imports(hook, base) else _command_problem(hook, base)
    except (UntraceableError, OSError) as err:
        return str(err)


def function_problem(function: str, base: Path) -> str:
    """Return why a text does not name a function of one argument; "" if it does."""
    try:
        found = _module_and_imports(function, base) if DOTTED.fullmatch(function) else ()
        if not found:
            missing = function.strip().rpartition(".")[0] or function
            return f"there is no module {missing} in {base}, on PYTHONPATH or in Python"
        problem = modules.call_problem(found[0], function.strip().rpartition(".")[2])
        return f"in {found[0].path}, {problem}" if problem else ""
    except (UntraceableError, OSError) as err:
        return str(err)


def _command_problem(hook: str, base: Path) -> str:
    first = _first(hook)
    path = dict(_files(hook, base)).get(first)
    if path is not None and not os.access(path, os.X_OK):
        return f"{path} cannot be executed (chmod +x), and it is not a module.function"
    if path is None and first and not SHELL.fullmatch(first) and shutil.which(first) is None:
        module = hook.strip().rpartition(".")[0]
        what = f"no module {module}" if DOTTED.fullmatch(hook) else f"no file or program {first}"
        return f"there is {what} in {base}, on PYTHONPATH, in the Python environment or on PATH"
    try:
        hook.format(*["file"] * 9)
    except (KeyError, IndexError, ValueError):
        return "stpipe replaces {0} by a file name; double all other braces: {{ and }}"
    return ""


# ---- running ---------------------------------------------------------------------------------


def check_hooks(derivation: Derivation, base: Path) -> None:
    """Raise CalibrationError unless the sources of the hooks are now the same as in the key."""
    planned, found = dict(derivation.hooks), dict(hook_sources(derivation.parameters, base))
    for name in sorted(planned.keys() | found.keys()):
        check_unchanged(f"hook {name}", planned.get(name, ""), found.get(name, ""))


def prepare(derivation: Derivation, base: Path) -> dict[str, Any]:
    """Return parameters that work in any folder, and let imports use the hashed sources.

    From now on, this process imports the user's modules from the bytes that were hashed.
    """
    if hooks := hook_names(derivation.parameters):
        found = (module for hook in hooks for module in _module_and_imports(hook, base))
        modules.install_finder({module.name: module for module in found if module.is_own})
    return map_texts(
        derivation.parameters,
        lambda name, text: command(text, base) if name in (*KINDS, BETWEEN) else text,
    )
