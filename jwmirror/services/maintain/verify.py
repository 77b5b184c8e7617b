"""Check that a mirror is complete and undamaged."""

from dataclasses import replace
from pathlib import Path

from jwmirror.core.model.maintenance import Verification
from jwmirror.services.maintain.damage import affected_files
from jwmirror.store.generations import Generations
from jwmirror.store.maintenance.verify import verify


def verify_mirror(root: Path, full: bool = False) -> Verification:
    """Compare a mirror with its manifests; `full` also hashes every object.

    What missing and damaged objects affect is named.

    Raises:
        StoreError: the folder holds no mirror, so that "no problems" would mislead.
    """
    verification = verify(root, full)
    if not verification.generations and not verification.problems:
        Generations(root).require_current()
    return replace(verification, affected=affected_files(root, verification.problems))
