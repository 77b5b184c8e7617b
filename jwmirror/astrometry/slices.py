"""The slices of a mirror: objects, found by records of their cones."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

from jwmirror.astrometry.fields import exposure_field, mosaic_cone
from jwmirror.astrometry.service import CatalogueService
from jwmirror.core.errors import JwmirrorError, MissingSliceError
from jwmirror.core.files import path_below, read_bytes, write_bytes
from jwmirror.core.jsonio import digest, read, receipt_path, write
from jwmirror.core.model.sky.slices import (
    SLICES,
    AlignedMosaic,
    CatalogueCone,
    GaiaSlice,
    GaiaSlices,
)
from jwmirror.pipeline.gaia.slice_text import read_slice, slice_text, star_rows
from jwmirror.store.objects import Objects
from jwmirror.store.provenance import read_slice_record

BUNDLED = "gaia"  # folder of slices in a bundle of references


class SliceStore:
    """The slices of one mirror. `bundle`: a reference cache, which may have slices, too."""

    def __init__(self, mirror: Path, bundle: Path | None = None):
        self.mirror, self.objects = Path(mirror), Objects(mirror)
        self._bundle = Path(bundle) / BUNDLED if bundle else None

    def record_path(self, cone: CatalogueCone) -> Path:
        """Return the file with the record of a cone's slice, whether or not it exists."""
        return receipt_path(self.mirror, SLICES, digest(cone), "")

    def find(self, cone: CatalogueCone) -> GaiaSlice | None:
        """Return the slice of a cone; None if it is not stored whole."""
        try:
            found = read_slice_record(self.record_path(cone))
        except (FileNotFoundError, JwmirrorError):
            return None
        return found if self.objects.has(found.sha256, found.size) else None

    def add(self, cone: CatalogueCone, answer: str, url: str, fetched_at: str = "") -> GaiaSlice:
        """Store the service's answer for a cone as its slice, in place of an earlier one."""
        content = slice_text(cone, answer).encode()
        file = self.objects.incoming / f"{digest(cone)}.slice"
        write_bytes(file, content)
        added = GaiaSlice(
            cone=cone,
            sha256=self.objects.add(file),
            size=len(content),
            stars=sum(1 for _ in star_rows(answer)),
            url=url,
            fetched_at=fetched_at or datetime.now(UTC).isoformat(timespec="seconds"),
        )
        write(self.record_path(cone), added)
        return added

    def take_from_bundle(self, cone: CatalogueCone) -> GaiaSlice | None:
        """Store the slice of a cone that the bundle has; None if it has none, or a damaged one."""
        if self._bundle is None:
            return None
        try:
            record = read(self._bundle / f"{digest(cone)}.json", GaiaSlice)
            path = path_below(self._bundle, f"{record.sha256}.csv", "a slice", MissingSliceError)
            found, answer = read_slice(read_bytes(path).decode())
        except (OSError, ValueError, JwmirrorError):
            return None
        is_right = found == cone == record.cone
        return self.add(cone, answer, record.url, record.fetched_at) if is_right else None

    def files(self, slices: Iterable[GaiaSlice]) -> dict[str, Path]:
        """Return the files of slices and of their records, by their paths in a bundle."""
        files: dict[str, Path] = {}
        for each in slices:
            files[f"{BUNDLED}/{digest(each.cone)}.json"] = self.record_path(each.cone)
            files[f"{BUNDLED}/{each.sha256}.csv"] = self.objects.path(each.sha256)
        return files


def find_slices(
    mosaics: Iterable[AlignedMosaic],
    store: SliceStore,
    service: CatalogueService | None = None,
    refresh_days: float | None = None,
) -> GaiaSlices:
    """Return the slices for mosaics, and why others are missing.

    A stored slice is used unless it is older than `refresh_days` (None: whatever its age), and
    also then, if the service gives no other. Without `service`, nothing is fetched.
    """
    found: dict[str, GaiaSlice] = {}
    missing: dict[str, str] = {}
    notes: list[str] = []
    current = cache(lambda cone: _current(cone, store, service, refresh_days))
    for mosaic in mosaics:
        try:
            stored, note = current(_cone_of(mosaic, store))
        except JwmirrorError as err:
            missing[mosaic.field] = str(err)
            continue
        if stored:
            found[mosaic.field] = stored
        notes += [note] if note else []
    return GaiaSlices(found=found, missing=missing, notes=tuple(dict.fromkeys(notes)))


def _cone_of(mosaic: AlignedMosaic, store: SliceStore) -> CatalogueCone:
    paths = (Path(file.path or store.objects.path(file.sha256)) for file in mosaic.files)
    pairs = zip(paths, mosaic.files, strict=True)
    fields = [exposure_field(store.mirror, path, file.sha256, file.name) for path, file in pairs]
    return mosaic_cone(mosaic.catalogue, fields)


def _current(
    cone: CatalogueCone,
    store: SliceStore,
    service: CatalogueService | None,
    refresh_days: float | None,
) -> tuple[GaiaSlice | None, str]:
    """Return the slice of a cone, and why it is an old one, if it was to be fetched again.

    Raises:
        MissingSliceError: there is no slice, and the service gives none.
    """
    stored = store.find(cone)
    if service is None:
        return stored, ""
    stored = stored or store.take_from_bundle(cone)
    if stored and not is_old(stored, refresh_days):
        return stored, ""
    try:
        return store.add(cone, service.fetch(cone), service.url), ""
    except MissingSliceError as err:
        if stored is None:
            raise
        return stored, f"the slice of {stored.fetched_at[:10]} is still used: {err}"


def is_old(stored: GaiaSlice, days: float | None) -> bool:
    """Return whether a slice is to be fetched again, after so many days; None: never."""
    if days is None:
        return False
    return datetime.now(UTC) - datetime.fromisoformat(stored.fetched_at) >= timedelta(days=days)
