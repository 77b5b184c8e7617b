"""A simulated observatory in one folder: archive, reference server, catalogue, and true sky."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec

from jwmirror_simulator.crds.server import ReferenceServer
from jwmirror_simulator.gaia import stars
from jwmirror_simulator.gaia.service import CatalogueServer
from jwmirror_simulator.mast import Archive
from jwmirror_simulator.mast.storage import edits
from jwmirror_simulator.mast.storage.folder import Holding
from jwmirror_simulator.telescope.program import Program, demo_program

DEMO = demo_program()


class Observatory:
    """A folder with an archive (archive/), a CRDS root (crds/) and the true stars (truth/).

    Build it once with `build`, then `open` and `serve` it. All state is in the folder: it can be
    copied, edited by another process, and served again.
    """

    def __init__(self, root: Path):
        self.root = Path(root)
        self.archive = Archive(self.root / "archive")
        self._references: LiveReferenceServer | None = None
        self._catalogue: CatalogueServer | None = None

    @classmethod
    def build(
        cls,
        root: Path,
        program: Program | None = DEMO,
        real_exposures: Iterable[Path] = (),
    ) -> "Observatory":
        """Write the references, take and calibrate the exposures of a program, and publish all.

        `real_exposures` are FITS files that are published unchanged, in addition to the program;
        with `program` None there are only these. Equal arguments give equal archives. The demo's
        program takes about a minute.
        """
        from jwmirror_simulator.crds.context import build_context

        observatory = cls(root)
        observations = (program or DEMO).observations
        build_context(
            observatory.root / "crds",
            detectors=_unique(each.detector for each in observations),
            subarrays=_unique(each.subarray for each in observations),
            filters=_unique(part.filter for each in observations for part in each.sequences),
        )
        if program is not None:
            observatory._carry_out(program)
        observatory.archive.publish(*map(Path, real_exposures))
        (observatory.root / "program.json").write_bytes(msgspec.json.encode(program))
        return observatory

    def _carry_out(self, program: Program) -> None:
        """Take the exposures of a program, calibrate them, and publish the products."""
        from jwmirror_simulator.operations.calibration import calibrate_exposures
        from jwmirror_simulator.telescope.exposures import take_exposures

        with TemporaryDirectory(dir=self.root, prefix="making.") as folder:
            sky = Path(folder) / "sky"
            exposures = take_exposures(program, sky)
            products = calibrate_exposures(
                exposures, sky, self.root / "crds", Path(folder) / "operations"
            )
            self.archive.publish(*products)
            (sky / "truth").rename(self.root / "truth")

    @classmethod
    def open(cls, root: Path) -> "Observatory":
        """Return the observatory of a folder; FileNotFoundError if none was built there."""
        if not (Path(root) / "program.json").exists():
            raise FileNotFoundError(f"{root} holds no observatory; build one there first")
        return cls(root)

    @property
    def program(self) -> Program | None:
        """The program that was built; None if there are only real exposures."""
        text = (self.root / "program.json").read_bytes()
        return msgspec.json.decode(text, type=Program | None)

    def truth(self, observation: int | str, filter: str) -> Path:
        """Return the table of the true stars (ra, dec in degrees; flux_jy) of a field.

        `observation` is a number (1) or a folder name ("o001"). The name ends in the filter.
        """
        number = int(str(observation).removeprefix("o"))
        (path,) = (self.root / "truth").glob(f"jw?????-o{number:03d}-{filter.lower()}.ecsv")
        return path

    @property
    def references(self) -> "LiveReferenceServer":
        """The reference server; RuntimeError while the observatory is not served."""
        if self._references is None:
            raise RuntimeError("nothing is served; use `with observatory.serve():`")
        return self._references

    @property
    def archive_url(self) -> str:
        """Address of the archive, while served."""
        return self.archive.url

    @property
    def references_url(self) -> str:
        """Address of the reference server, while served."""
        return self.references.url

    @property
    def catalogue(self) -> CatalogueServer:
        """The service of star catalogues; RuntimeError while the observatory is not served."""
        if self._catalogue is None:
            raise RuntimeError("nothing is served; use `with observatory.serve():`")
        return self._catalogue

    @property
    def catalogue_url(self) -> str:
        """Address of the service of star catalogues, while served."""
        return self.catalogue.url

    @contextmanager
    def serve(self, port: int = 0) -> Iterator["Observatory"]:
        """Serve the archive at `port`, then references and stars; 0 takes free ports.

        References are served at the next port, stars at the one after it.
        """
        self.archive.port = port
        references = LiveReferenceServer(self.root / "crds", port + 1 if port else 0)
        catalogue = CatalogueServer(self._stars, port + 2 if port else 0)
        with self.archive, references, catalogue:
            self._references, self._catalogue = references, catalogue
            try:
                yield self
            finally:
                self._references = self._catalogue = None

    def _stars(self) -> stars.CatalogueStars:
        if self.program:
            return stars.stars_of_program(self.program)
        return stars.joined(map(stars.stars_of_truth, sorted((self.root / "truth").glob("*.ecsv"))))

    def reprocess(self, filename: str, same_size: bool = True) -> Holding:
        """Change pixels, DATE and SDP_VER of a file; keep its size in bytes, or make it larger."""
        return self.archive.reprocess(filename, edits.same_size if same_size else edits.larger)

    def new_context(self, detector: str, filter: str) -> str:
        """Add a CRDS context in which one flat differs, and make it the latest; return its name.

        ValueError if the program has no exposures with this detector.
        """
        from jwmirror_simulator.crds.context import add_context

        observations = self.program.observations if self.program else DEMO.observations
        subarrays = {each.detector: each.subarray for each in observations}
        if detector not in subarrays:
            raise ValueError(f"no exposures with {detector}; there are some with {list(subarrays)}")
        return add_context(
            self.root / "crds",
            detector=detector,
            filter_name=filter,
            subarray=subarrays[detector],
        )

    def add_gaia_context(self, instrument: str = "nircam") -> str:
        """Add a CRDS context whose parameters align an instrument's mosaics to Gaia; return it."""
        from jwmirror_simulator.crds.context import add_gaia_context

        return add_gaia_context(self.root / "crds", instrument)


class LiveReferenceServer(ReferenceServer):
    """A reference server that announces contexts as soon as any process adds them to its root."""

    def __init__(self, crds_root: Path, port: int = 0):
        super().__init__(crds_root, port)
        self._newest = self.latest

    def answer(self, method: str, parameters: list) -> dict:
        """Return the answer to a remote procedure call, by the newest context on disk."""
        newest = max(path.name for path in self.crds_root.glob("mappings/jwst/jwst_*.pmap"))
        if newest != self._newest:
            self._newest = self.latest = self.build = newest
        return super().answer(method, parameters)


def _unique(values: Iterable[str]) -> tuple[str, ...]:
    """Return each value once, in the order of first appearance."""
    return tuple(dict.fromkeys(values))
