"""One resolver for each Python environment that recipes run in."""

import functools
from collections.abc import Callable, Mapping
from pathlib import Path

from jwmirror.planning.remote_resolver import RemoteResolver
from jwmirror.planning.resolver import LocalResolver, Resolver


class Resolvers:
    """The resolvers of one CRDS context.

    `of` returns the resolver for the environment of a Python ("" is the running one); it calls
    `make` for the first use of each.
    """

    def __init__(self, context: str, make: Callable[[str], Resolver]):
        self.context = context
        self.of = functools.cache(make)


def resolvers_of(cache: Path, context: str, sha1s: Mapping[str, str] | None = None) -> Resolvers:
    """Return the resolvers for a reference cache; the arguments are those of LocalResolver."""
    cache, base, sha1s = Path(cache).absolute(), Path.cwd(), sha1s or {}

    def make(python: str) -> Resolver:
        if python:
            return RemoteResolver(python, cache, context, sha1s, base)
        return LocalResolver(cache, context, sha1s, base)

    return Resolvers(context, make)
