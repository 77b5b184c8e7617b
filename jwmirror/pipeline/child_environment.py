"""Environment variables of processes that run jwst for us, in whichever Python."""

import os
from pathlib import Path

import jwmirror

ARITHMETIC = ("OMP", "OPENBLAS", "MKL", "NUMEXPR", "NUMBA")
ONE_THREAD = {f"{name}_NUM_THREADS": "1" for name in ARITHMETIC}  # exposures run in parallel
NO_PARS = "STPIPE_DISABLE_CRDS_STEPPARS"  # otherwise stpipe looks up parameters in CRDS again


def child_environment() -> dict[str, str]:
    """Return the caller's variables, with this jwmirror first on the path and one thread."""
    root = str(Path(jwmirror.__file__).parent.parent)
    path = os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")]))
    return {**os.environ, **ONE_THREAD, "PYTHONPATH": path, NO_PARS: "true", "MPLBACKEND": "Agg"}
