"""Run every benchmark: `python -m benchmarks`, or those named: `python -m benchmarks transfer`.

Options after a name are that benchmark's own: `python -m benchmarks transfer --rounds 1`.
"""

import importlib
import pkgutil
import sys

import benchmarks


def main(words: list[str]) -> str | None:
    """Run the `main()` of the modules named, or of all that have one; words if a goal is missed."""
    every = sorted(each.name for each in pkgutil.iter_modules(benchmarks.__path__))
    found = [name for name in every if not name.startswith("_")]
    missed = []
    for name, *options in _named(words, found) or [[each] for each in found]:
        module = importlib.import_module(f"benchmarks.{name}")
        if not hasattr(module, "main"):
            continue
        print(f"\n== {name}: {module.__doc__.splitlines()[0]}\n", flush=True)
        sys.argv = [f"benchmarks {name}", *options]
        if said := module.main():
            missed.append(f"{name}: {said}")
    return "\n".join(missed) or None


def _named(words: list[str], known: list[str]) -> list[list[str]]:
    """The benchmarks among some words, each with the options that follow it."""
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
