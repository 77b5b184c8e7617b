"""Run the benchmarks that are named, or all of them; each prints what it measured."""

import importlib
import pkgutil
import sys

import benchmarks

names = sys.argv[1:] or [
    module.name
    for module in pkgutil.iter_modules(benchmarks.__path__)
    if not module.name.startswith("_")
]
for name in names:
    print(f"\n== {name}", flush=True)
    importlib.import_module(f"benchmarks.{name}").main()
