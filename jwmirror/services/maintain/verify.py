"""Check that a mirror is complete and undamaged."""

from pathlib import Path

from jwmirror.core.model.maintenance import Verification
from jwmirror.store.generations import Generations
from jwmirror.store.maintenance.verify import verify


def verify_mirror(root: Path, full: bool = False) -> Verification:
    """Compare a mirror with its manifests; `full` also hashes every object.

    Raises:
        StoreError: the folder holds no mirror, so that "no problems" would mislead.
    """
    verification = verify(root, full)
    if not verification.generations and not verification.problems:
        Generations(root).require_current()
    return verification
