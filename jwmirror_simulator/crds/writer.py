"""Save the references of one instrument and the mappings that point to them."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from stdatamodels.jwst.datamodels import JwstDataModel
from stpipe.entry_points import get_steps

from jwmirror_simulator.crds.mappings import (
    NOT_APPLICABLE,
    ORIGIN,
    USE_AFTER,
    write_imap,
    write_rmap,
)
from jwmirror_simulator.telescope.detectors import Detector, Subarray

UNUSED = [  # types that some step of jwst asks for, and that an instrument need not provide
    "ipc", "trapdensity", "trappars", "persat", "drizpars", "wcsregions", "specwcs", "regions",
    "wavelengthrange", "camera", "collimator", "disperser", "fore", "fpa", "msa", "ote",
    "ifupost", "ifufore", "ifuslicer", "chromcorr", "sirskernel", "refpix", "bkg", "wfssbkg",
    "extract1d", "psfmask", "amplifier", "fflat", "sflat", "dflat", "pastasoss", "pictureframe",
    "rscd", "emicorr", "reset", "lastframe", "tsophot", "mask", "saturation", "superbias",
    "linearity", "dark", "gain", "readnoise", "flat", "photom", "area", "distortion",
    "filteroffset", "apcorr", "abvegaoffset", "barshadow", "cubepar", "fringe", "fringefreq",
    "mrsptcorr", "mrsxartcorr", "msaoper", "nrm", "pathloss", "psf", "speckernel", "specprofile",
    "throughput", "wavecorr",
]  # fmt: skip


class ReferenceWriter:
    """Saves references of one instrument, and then writes the mappings that point to them."""

    def __init__(self, crds_root: Path, instrument: str):
        self.instrument = instrument
        self.mappings = crds_root / "mappings" / "jwst"
        self.references = crds_root / "references" / "jwst" / instrument.lower()
        self.references.mkdir(parents=True, exist_ok=True)
        self._files: dict[str, dict[tuple[str, ...], str]] = {}

    def name(self, kind: str, extension: str = ".fits") -> str:
        """Return the next free file name of a reference type."""
        serial = len(self._files.get(kind, ())) + 1
        return f"jwst_{self.instrument.lower()}_{kind}_{serial:04d}{extension}"

    def note(self, kind: str, match: tuple[str, ...], filename: str) -> None:
        """Register a file as the reference of its type for these match values."""
        self._files.setdefault(kind, {})[match] = filename

    def complete(self, kinds: Iterable[str], matches: Iterable[tuple[str, ...]]) -> None:
        """Register N/A where a type that has files has none for some match values."""
        matches = tuple(matches)
        for kind in set(kinds) & set(self._files):
            for match in matches:
                self._files[kind].setdefault(match, NOT_APPLICABLE)

    def put(
        self, kind: str, match: tuple[str, ...], model: JwstDataModel, extension: str = ".fits"
    ) -> None:
        """Set the keywords that CRDS requires in a reference, save it and register it."""
        filename = self.name(kind, extension)
        meta = model.meta
        meta.reftype, meta.telescope = meta.reftype or kind.upper(), "JWST"
        meta.author, meta.pedigree, meta.description = "jwmirror", "DUMMY", ORIGIN
        meta.useafter = USE_AFTER.replace(" ", "T")
        meta.instrument.name = self.instrument
        model.save(self.references / filename)
        model.close()
        self.note(kind, match, filename)

    def write_mappings(self, keys: Mapping[str, tuple[str, ...]]) -> str:
        """Write an rmap for each registered type, and the imap; return the imap's name.

        `keys` has the names of the match values of each type.
        """
        rmaps = dict.fromkeys((*UNUSED, *parameter_types()), NOT_APPLICABLE)
        for kind, files in self._files.items():
            rmaps[kind] = write_rmap(self.mappings, self.instrument, kind, keys[kind], files)
        return write_imap(self.mappings, self.instrument, rmaps)


def parameter_types() -> Iterable[str]:
    """Return the pars-* type of every step and pipeline of the installed jwst."""
    return (f"pars-{step.class_name.rpartition('.')[2].lower()}" for step in get_steps())


def set_subarray(model: JwstDataModel, detector: Detector, subarray: Subarray) -> JwstDataModel:
    """Set detector and subarray of a reference; return the same model."""
    model.meta.instrument.detector = detector.name
    meta = model.meta.subarray
    meta.name = subarray.name
    meta.xstart = meta.ystart = subarray.corner
    meta.xsize = meta.ysize = subarray.size
    meta.fastaxis, meta.slowaxis = detector.fast_axis, detector.slow_axis
    return model
