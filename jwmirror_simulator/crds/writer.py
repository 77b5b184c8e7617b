"""The references of one instrument: named, stamped, saved, and what each one is for."""

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
    """Takes in references of one instrument, and writes the mappings that lead to them."""

    def __init__(self, crds_root: Path, instrument: str):
        self.instrument = instrument
        self.mappings = crds_root / "mappings" / "jwst"
        self.references = crds_root / "references" / "jwst" / instrument.lower()
        self.references.mkdir(parents=True, exist_ok=True)
        self._files: dict[str, dict[tuple[str, ...], str]] = {}

    def name(self, kind: str, extension: str = ".fits") -> str:
        """The next free file name of a type."""
        serial = len(self._files.get(kind, ())) + 1
        return f"jwst_{self.instrument.lower()}_{kind}_{serial:04d}{extension}"

    def note(self, kind: str, match: tuple[str, ...], filename: str) -> None:
        """Say that a file is the one of its type for these match values."""
        self._files.setdefault(kind, {})[match] = filename

    def complete(self, kinds: Iterable[str], matches: Iterable[tuple[str, ...]]) -> None:
        """Say that types which are on the writer do not apply where they have no file."""
        matches = tuple(matches)
        for kind in set(kinds) & set(self._files):
            for match in matches:
                self._files[kind].setdefault(match, NOT_APPLICABLE)

    def put(
        self, kind: str, match: tuple[str, ...], model: JwstDataModel, extension: str = ".fits"
    ) -> None:
        """Stamp a reference with what CRDS wants to read in it, save and note it."""
        filename = self.name(kind, extension)
        meta = model.meta
        meta.reftype, meta.telescope = kind.upper(), "JWST"
        meta.author, meta.pedigree, meta.description = "jwmirror", "DUMMY", ORIGIN
        meta.useafter = USE_AFTER.replace(" ", "T")
        meta.instrument.name = self.instrument
        model.save(self.references / filename)
        model.close()
        self.note(kind, match, filename)

    def write_mappings(self, keys: Mapping[str, tuple[str, ...]]) -> str:
        """Write an rmap for each type on the writer, and the imap; the imap's name.

        `keys` are the names of the match values of each type.
        """
        rmaps = dict.fromkeys((*UNUSED, *parameter_types()), NOT_APPLICABLE)
        for kind, files in self._files.items():
            rmaps[kind] = write_rmap(self.mappings, self.instrument, kind, keys[kind], files)
        return write_imap(self.mappings, self.instrument, rmaps)


def parameter_types() -> Iterable[str]:
    """The pars-* type of every step and pipeline of the installed jwst."""
    return (f"pars-{step.class_name.rpartition('.')[2].lower()}" for step in get_steps())


def set_subarray(model: JwstDataModel, detector: Detector, subarray: Subarray) -> JwstDataModel:
    """Say in a reference which detector and pixels it is for; the same model."""
    model.meta.instrument.detector = detector.name
    meta = model.meta.subarray
    meta.name = subarray.name
    meta.xstart = meta.ystart = subarray.corner
    meta.xsize = meta.ysize = subarray.size
    meta.fastaxis, meta.slowaxis = detector.fast_axis, detector.slow_axis
    return model
