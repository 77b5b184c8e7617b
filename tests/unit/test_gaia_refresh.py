"""A change of the star catalogue: nothing is made again until slices are refreshed, then little."""

from dataclasses import replace
from pathlib import Path

import pytest

from jwmirror.astrometry.service import CatalogueService
from jwmirror.astrometry.slices import SliceStore, find_slices
from jwmirror.core.model import Entry, Plan, Recipe, ResultFile
from jwmirror.core.model.association import Associations
from jwmirror.pipeline.headers import crds_header
from jwmirror.planning.alignment import aligned_mosaics
from jwmirror.planning.inputs import available_files
from jwmirror_simulator.gaia.service import CatalogueServer
from jwmirror_simulator.gaia.stars import stars_of_program
from jwmirror_simulator.telescope.exposures import take_exposure
from jwmirror_simulator.telescope.program import demo_program, exposures_of
from tests.setup.plans import PlanSources, chains
from tests.setup.records import association, entry, product, result

PROGRAM = demo_program()
ALIGNED = Recipe(
    name="deep",
    programs=(1345,),
    parameters={"image3": {"steps": {"tweakreg": {"abs_refcat": "GAIADR3"}}}},
)


class Fields:
    """A mirror with a calibrated exposure of each of two fields, and a mosaic of each to plan."""

    def __init__(self, folder: Path, server: CatalogueServer):
        (folder / "mirror").mkdir()
        self.store, self.server = SliceStore(folder / "mirror"), server
        exposures = exposures_of(PROGRAM)
        rows = [self._stored(take_exposure(PROGRAM, exposures[i], folder)) for i in (0, 7)]
        roots = [row.filename.removesuffix("_uncal.fits") for row in rows]
        self.available = available_files(rows, [_calibrated(root) for root in roots])
        mosaics = [association("image3", f"of_{root}", f"{root}_cal.fits") for root in roots]
        self.associations, self.sources = Associations(found=tuple(mosaics)), PlanSources()

    def _stored(self, raw: Path) -> Entry:
        header = crds_header(raw)
        file = raw.rename(self.store.objects.incoming / raw.name)
        row = entry(product(raw.name), sha256=self.store.objects.add(file))
        return replace(row, header=header, identity=raw.name)

    def plan(self, refresh_days: float | None = None) -> Plan:
        """The plan of the mosaics, with the slices that the references step finds for them."""
        service, resolvers = CatalogueService(self.server.url), self.sources.resolvers
        mosaics = aligned_mosaics(self.available, self.associations, [ALIGNED], resolvers)
        self.sources.slices = find_slices(mosaics, self.store, service, refresh_days)
        return self.sources.plan_stage(3, self.available, self.associations, ALIGNED)

    def run(self) -> None:
        """Plan the mosaics, and make all of them."""
        for chain in chains(self.plan()):
            self.sources.make(chain, "i2d")


def _calibrated(root: str):
    file = ResultFile(filename=f"{root}_cal.fits", sha256=root, size=1, identity=root)
    return result("image2", root, file)


@pytest.fixture
def fields(tmp_path):
    """Two fields, and a service with stars in both."""
    with CatalogueServer(lambda: stars_of_program(PROGRAM)) as server:
        yield Fields(tmp_path, server)


def test_only_mosaics_whose_slices_differ_are_made_again(fields):
    """After a correction of the stars in one field; and not before slices are refreshed."""
    fields.run()
    asked = len(fields.server.requests)
    fields.server.shift(80.0, -69.5, 0.01, east=0.01, north=0.0)

    before, refreshed = fields.plan(), fields.plan(refresh_days=0)

    assert asked == 2 and len(fields.server.requests) == 2 * asked
    assert chains(before) == [] and len(before.done) == 2
    (again,) = chains(refreshed)
    (reason,) = again.reasons
    assert again.product.startswith("of_jw01345001") and len(refreshed.done) == 1
    assert reason.what.startswith("image3: reference tweakreg.abs_refcat: content of gaiadr3_")


def test_mosaics_of_a_catalogue_that_went_back_are_done(fields):
    """The first slice is the same object again, so the first results are found."""
    fields.run()
    fields.server.shift(80.0, -69.5, 0.01, east=0.01, north=0.0)
    changed = fields.plan(refresh_days=0)
    fields.server.shift(80.0, -69.5, 0.01, east=-0.01, north=0.0)

    back = fields.plan(refresh_days=0)

    assert len(chains(changed)) == 1
    assert chains(back) == [] and len(back.done) == 2
