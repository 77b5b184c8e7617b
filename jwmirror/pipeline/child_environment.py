"""Environment variables of this process and of those that run jwst for us, in whichever Python.

The user's variables that change results are removed: the config decides, and a key does not contain
them.
"""

import os
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path

import jwmirror
from jwmirror.core.errors import ConfigError

ARITHMETIC = ("OMP", "OPENBLAS", "MKL", "NUMEXPR", "NUMBA")
ONE_THREAD = {f"{name}_NUM_THREADS": "1" for name in ARITHMETIC}  # exposures run in parallel
NO_PARS = "STPIPE_DISABLE_CRDS_STEPPARS"  # otherwise stpipe looks up parameters in CRDS again
OURS = frozenset(  # those that crds_environment sets
    ["CRDS_PATH", "CRDS_CONTEXT", "CRDS_SERVER_URL", "CRDS_READONLY_CACHE", "CRDS_INI_FILE"]
)
STEERING = ("CRDS_", "STPIPE_")  # begin variables that CRDS and stpipe read
TOKEN_FORM = re.compile("[!-~]+")  # visible ASCII: it is sent in a header of HTTP
SCHEMES = ("bearer", "token")  # of a header, which people copy with the token
QUOTES = "'\"`\u2018\u2019\u201c\u201d"
NO_INI_FILE = f"{os.devnull}/none"  # crds reads ~/.crds.ini otherwise
OF_MODELS = ("PASS_INVALID_VALUES", "STRICT_VALIDATION", "VALIDATE_ON_ASSIGNMENT")


@cache
def remove_user_variables() -> dict[str, str]:
    """Remove variables that change what CRDS, stpipe and stdatamodels do; return the user's.

    Only the first call in a process does so: later ones would find what jwmirror has set.
    """
    found = {name: os.environ[name] for name in sorted({*_users(), *(os.environ.keys() & OURS)})}
    of_user = unlike_defaults(found)  # crds itself fails if its defaults are removed
    for name in of_user:
        del os.environ[name]
    return of_user


def unlike_defaults(variables: Mapping[str, str]) -> dict[str, str]:
    """Return the variables without those that have the default of crds, if that is loaded.

    The package puts its defaults into the environment when it is imported.
    """
    config = sys.modules.get("crds.core.config")
    items = [i for i in vars(config).values() if isinstance(i, config.ConfigItem)] if config else []
    defaults = {item.env_var: str(item.default) for item in items}
    return {
        name: value
        for name, value in variables.items()
        if name not in defaults or value.lower() != defaults[name].lower()
    }


def set_by_user(removed: Mapping[str, str]) -> tuple[str, ...]:
    """Return the names of removed variables that a user set.

    A notebook that has imported jwst passes the defaults of crds to what it starts.
    """
    if removed:
        os.environ.setdefault("CRDS_INI_FILE", NO_INI_FILE)
        with suppress(ImportError):  # a place that does not recalibrate
            import crds.core.config  # noqa: F401
    return tuple(unlike_defaults(removed))


def take_token(variable: str) -> str | None:
    """Remove the token for the archive from the environment, and return it.

    Snakemake's executors and every program that we start pass the environment on.

    Raises:
        ConfigError: it is not visible ASCII. The message does not contain it.
    """
    token = os.environ.pop(variable, "").strip()
    if token and (found := _wrong_part(token)):
        why = f"expected a token of letters, digits and signs, found {found}"
        raise ConfigError([f"environment variable {variable}: {why}; copy the token again"])
    return token or None


def _wrong_part(token: str) -> str:
    """Return words for what does not belong in a token; "" if all does. They do not contain it."""
    first, _, rest = token.partition(" ")
    if rest and first.lower() in SCHEMES:
        return f"the word {first} in front of it; leave it out"
    if token[0] in QUOTES or token[-1] in QUOTES:
        return "quotes around it; leave them out"
    is_plain = TOKEN_FORM.fullmatch(token)
    return "" if is_plain else f"spaces or other characters among its {len(token)}"


def _users() -> Iterator[str]:
    """Yield the variables that jwmirror never sets, and that change results."""
    for name in os.environ:
        if (name.startswith(STEERING) and name not in OURS) or name in OF_MODELS:
            yield name


def child_environment() -> dict[str, str]:
    """Return this process's variables, with this jwmirror first on the path and one thread.

    Python reads an empty entry of PYTHONPATH as the current folder; these are left out.
    """
    root = str(Path(jwmirror.__file__).parent.parent)
    path = os.pathsep.join(
        filter(None, [root, *os.environ.get("PYTHONPATH", "").split(os.pathsep)])
    )
    kept = {name: os.environ[name] for name in os.environ.keys() - set(_users())}
    return {**kept, **ONE_THREAD, "PYTHONPATH": path, NO_PARS: "true", "MPLBACKEND": "Agg"}
