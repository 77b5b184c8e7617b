"""The simulated world in one folder: a telescope's exposures, an archive, a reference server."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec

from jwmirror_simulator.crds.server import ReferenceServer
from jwmirror_simulator.mast import Archive
from jwmirror_simulator.mast.storage import edits
from jwmirror_simulator.mast.storage.folder import Holding
from jwmirror_simulator.telescope.program import Program, demo_program

DEMO = demo_program()


class Observatory:
    """A folder with an archive (archive/), a CRDS root (crds/) and the truth (truth/).

    The folder is all there is: it can be copied, edited by another process, and served again.
    """

    def __init__(self, root: Path):
        self.root = Path(root)
        self.archive = Archive(self.root / "archive")
        self._references: LiveReferenceServer | None = None

    @classmethod
    def build(
        cls,
        root: Path,
        program: Program | None = DEMO,
        real_exposures: Iterable[Path] = (),
    ) -> "Observatory":
        """Make the world: references, exposures, and what operations make of them.

        `real_exposures` are FITS files published as they are, besides the program, or alone
        where that is None. Takes about 20 s for the demo. Equal arguments give equal archives.
        """
        from jwmirror_simulator.crds.context import build_context

        observatory = cls(root)
        build_context(observatory.root / "crds", **_settings_of(program or DEMO))
        if program is not None:
            observatory._carry_out(program)
        observatory.archive.publish(*map(Path, real_exposures))
        (observatory.root / "program.json").write_bytes(msgspec.json.encode(program))
        return observatory

    def _carry_out(self, program: Program) -> None:
        """Take a program's exposures, let operations calibrate them, and publish all."""
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
        """The world that was built in a folder, or in the folder that it was copied from."""
        if not (Path(root) / "program.json").exists():
            raise FileNotFoundError(f"{root} holds no observatory; build one there first")
        return cls(root)

    @property
    def program(self) -> Program | None:
        """What the telescope did, if anything."""
        text = (self.root / "program.json").read_bytes()
        return msgspec.json.decode(text, type=Program | None)

    def truth(self, observation: int | str, filter: str) -> Path:
        """The table of the stars that are really there (ra, dec in degrees; flux_jy).

        `observation` is 1, or as folders have it, "o001".
        """
        number = int(str(observation).removeprefix("o"))
        name = f"jw{self.program.number:05d}-o{number:03d}-{filter.lower()}.ecsv"
        return self.root / "truth" / name

    @property
    def references(self) -> "LiveReferenceServer":
        """The reference server; RuntimeError while nothing is served."""
        if self._references is None:
            raise RuntimeError("nothing is served; use `with observatory.serve():`")
        return self._references

    @property
    def archive_url(self) -> str:
        """Where the archive answers, while served."""
        return self.archive.url

    @property
    def references_url(self) -> str:
        """Where the reference server answers, while served."""
        return self.references.url

    @contextmanager
    def serve(self, port: int = 0) -> Iterator["Observatory"]:
        """Serve the archive at `port` and the references at the next one; 0 takes free ports."""
        self.archive.port = port
        with (
            self.archive,
            LiveReferenceServer(self.root / "crds", port + 1 if port else 0) as references,
        ):
            self._references = references
            try:
                yield self
            finally:
                self._references = None

    def reprocess(self, filename: str, same_size: bool = True) -> Holding:
        """Give a file other pixels, DATE and SDP_VER under its name, in as many bytes or more."""
        return self.archive.reprocess(filename, edits.same_size if same_size else edits.larger)

    def new_context(self, detector: str, filter: str) -> str:
        """Add a CRDS context in which one flat differs, announced at once; the pmap's name."""
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

    def add_gaia_context(self) -> str:
        """Add a CRDS context whose parameters align mosaics to Gaia; the pmap's name."""
        from jwmirror_simulator.crds.context import add_gaia_context

        return add_gaia_context(self.root / "crds")


class LiveReferenceServer(ReferenceServer):
    """A reference server that also announces contexts which another process adds to its root."""

    def __init__(self, crds_root: Path, port: int = 0):
        super().__init__(crds_root, port)
        self._newest = self.latest

    def answer(self, method: str, parameters: list) -> dict:
        """The answer to a call, after a look for a newer context."""
        newest = max(path.name for path in self.crds_root.glob("mappings/jwst/jwst_*.pmap"))
        if newest != self._newest:
            self._newest = self.latest = self.build = newest
        return super().answer(method, parameters)


def _settings_of(program: Program) -> dict[str, tuple[str, ...]]:
    """The detectors, subarrays and filters that a program needs references for."""
    observations = program.observations
    names = {
        "detectors": [each.detector for each in observations],
        "subarrays": [each.subarray for each in observations],
        "filters": [part.filter for each in observations for part in each.sequences],
    }
    return {key: tuple(dict.fromkeys(values)) for key, values in names.items()}
