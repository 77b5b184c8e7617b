"""Build and advance a CRDS context under one root, which is also a complete offline CRDS cache."""

from collections.abc import Sequence
from pathlib import Path


def build_context(
    crds_root: Path,
    *,
    detectors: Sequence[str] = ("NRCB1", "NRCA1"),
    subarrays: Sequence[str] = ("SUB160",),
    filters: Sequence[str] = ("F200W", "F150W"),
    fgs: bool = True,
) -> str:
    """Write references and mappings for NIRCam imaging (and the FGS guiders); the pmap's name.

    `crds_root` then serves as CRDS_PATH as it stands, and as what a ReferenceServer offers.
    """
    raise NotImplementedError


def add_context(crds_root: Path, *, detector: str, filter_name: str, subarray: str) -> str:
    """Add a context in which just one flat differs (1 % across the detector); the pmap's name.

    New rmap, imap and pmap get the next serials; the old ones stay.
    """
    raise NotImplementedError


def offline_environment(crds_root: Path, context: str) -> dict[str, str]:
    """The environment under which jwst uses `crds_root` with no network, pinned to a context."""
    raise NotImplementedError
