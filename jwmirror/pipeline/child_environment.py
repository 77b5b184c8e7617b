"""What processes that run `jwst` for us find in their environment, whichever Python they are."""

import os
from pathlib import Path

import jwmirror

ARITHMETIC = ("OMP", "OPENBLAS", "MKL", "NUMEXPR", "NUMBA")
ONE_THREAD = {f"{name}_NUM_THREADS": "1" for name in ARITHMETIC}  # exposures are parallel
NO_PARS = "STPIPE_DISABLE_CRDS_STEPPARS"  # else stpipe looks parameters up once more


def environment_of_children() -> dict[str, str]:
    """The caller's, with this jwmirror first, one thread each, and no second look-up."""
    root = str(Path(jwmirror.__file__).parent.parent)
    path = os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")]))
    return {**os.environ, **ONE_THREAD, "PYTHONPATH": path, NO_PARS: "true", "MPLBACKEND": "Agg"}
