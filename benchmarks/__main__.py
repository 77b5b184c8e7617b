"""Run every benchmark: `python -m benchmarks`, or those named: `python -m benchmarks transfer`."""

import importlib
import pkgutil
import sys

import benchmarks


def main(names: list[str]) -> None:
    """Run the `main()` of the modules named, or of all that have one."""
    found = sorted(each.name for each in pkgutil.iter_modules(benchmarks.__path__))
    for name in names or [each for each in found if not each.startswith("_")]:
        module = importlib.import_module(f"benchmarks.{name}")
        if hasattr(module, "main"):
            print(f"\n== {name}: {module.__doc__.splitlines()[0]}\n", flush=True)
            module.main()


if __name__ == "__main__":
    main(sys.argv[1:])
