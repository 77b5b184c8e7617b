"""Installed packages that the user's code imports: known by their version and content.

jwst, stcal and stdatamodels are in each key. What jwst requires is not, in hooks as in jwst itself.
"""

import re
import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress
from functools import cache
from importlib.metadata import PackageNotFoundError, distribution, packages_distributions

from jwmirror.pipeline.engine_content import ENGINE, PackageCode, package_code

COMMON = frozenset([*ENGINE, "astropy", "jwmirror", "numpy", "scipy", "stpipe"])  # never looked up
PROJECT = re.compile(r"[\w.-]+")  # begins a requirement: scipy>=1.14


def installed_packages(names: Iterable[str]) -> Iterator[PackageCode]:
    """Yield the code of packages by their import names, except Python's and what jwst requires."""
    for name in sorted(set(names) - COMMON - sys.stdlib_module_names):
        project = _project(name)
        if project and _normalised(project) not in required_by_jwst():
            with suppress(PackageNotFoundError, ValueError):  # installed, but not importable
                yield package_code(name, project, is_large=True)


def is_of_jwst(name: str) -> bool:
    """Return whether an import name is jwmirror, jwst, or a package that jwst requires."""
    project = "" if name in COMMON else _project(name)
    return name in COMMON or (bool(project) and _normalised(project) in required_by_jwst())


@cache
def _project(name: str) -> str:
    """Return the distribution that installs an import name; "" if none does."""
    try:
        return distribution(name).name
    except (PackageNotFoundError, ValueError):  # ValueError: not a name of a distribution
        return next(iter(packages_distributions().get(name, ())), "")


@cache
def required_by_jwst() -> frozenset[str]:
    """Return the names of the distributions that jwst requires, also indirectly."""
    required: set[str] = set()
    pending = list(ENGINE)
    while pending:
        name = _normalised(pending.pop())
        if name not in required:
            required.add(name)
            pending += _requirements(name)
    return frozenset(required)


def _requirements(name: str) -> Iterator[str]:
    try:
        lines = distribution(name).requires or ()
    except PackageNotFoundError:  # required on other systems only
        return
    for line in lines:
        project = PROJECT.match(line)
        if project and "extra ==" not in line:
            yield project[0]


def _normalised(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
