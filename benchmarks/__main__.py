"""Run all benchmarks, or the named ones: `python -m benchmarks transfer`.

Options after a name belong to that benchmark: `python -m benchmarks transfer --rounds 1`.
`python -m benchmarks --help` lists the benchmarks, `python -m benchmarks NAME --help` its options.
"""

import ast
import importlib
import sys
from pathlib import Path

FOLDER = Path(__file__).parent


def main(words: list[str]) -> str | None:
    """Run the `main()` of the named modules, or of all; return a message if a goal is missed."""
    summaries = find_benchmarks()
    if words[:1] in (["-h"], ["--help"]):
        print(help_text(summaries))
        return None
    missed = []
    for name, *options in select(words, list(summaries)) or [[each] for each in summaries]:
        print(f"\n== {name}: {summaries[name]}\n", flush=True)
        sys.argv = [f"benchmarks {name}", *options]
        if message := importlib.import_module(f"benchmarks.{name}").main():
            missed.append(f"{name}: {message}")
    return "\n".join(missed) or None


def find_benchmarks() -> dict[str, str]:
    """Return the names of the modules that have a `main`, and their first lines."""
    summaries = {}
    for path in sorted([*FOLDER.glob("[!_]*.py"), *FOLDER.glob("*/__init__.py")]):
        name = path.stem if path.parent == FOLDER else path.parent.name
        module = ast.parse(path.read_text())
        functions = {node.name for node in module.body if isinstance(node, ast.FunctionDef)}
        if "main" in functions:
            summaries[name] = (ast.get_docstring(module) or "").partition("\n")[0]
    return summaries


def help_text(summaries: dict[str, str]) -> str:
    """Return the text of --help: usage, and a line for each benchmark."""
    lines = [f"  {name:14}{summary}" for name, summary in summaries.items()]
    usage = "usage: python -m benchmarks [NAME [OPTION ...]] ..."
    return "\n".join([usage, "", (__doc__ or "").strip(), "", "benchmarks:", *lines])


def select(words: list[str], known: list[str]) -> list[list[str]]:
    """Return the named benchmarks, each with the options that follow its name."""
    runs: list[list[str]] = []
    for word in words:
        if word in known:
            runs.append([word])
        elif runs:
            runs[-1].append(word)
        else:
            sys.exit(f"no benchmark {word!r}: expected one of {', '.join(known)}")
    return runs


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
