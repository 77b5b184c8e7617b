"""A check of the service that lists stars of Gaia, if mosaics are aligned to them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from jwmirror.astrometry.service import CatalogueService
from jwmirror.config.load import Config
from jwmirror.core.errors import MissingSliceError
from jwmirror.core.model import Product, Recipe
from jwmirror.core.model.sky.slices import CatalogueCone
from jwmirror.pipeline.gaia.catalogues import requested_catalogues
from jwmirror.report.diagnosis import FAIL, OK, WARN, Check
from jwmirror.services.inspect.doctor.servers import BRIEF, Contact, contact, server_check

PIPELINE = "image3"
ALIGNED_BY_CRDS = "NIRISS"  # parameter references of tweakreg ask for Gaia since jwst_1156.pmap
FIELD = CatalogueCone(  # small, in the Large Magellanic Cloud, and so with stars
    catalogue="GAIADR3", ra=80.0, dec=-69.5, radius=0.01, epoch=2025.0
)
WAITING = "until then, mosaics whose stars are not in the mirror yet wait; a run does the rest"


@dataclass(kw_only=True)
class StarsVisit:
    """The check of the catalogue service; `made` is the contact with it."""

    config: Config
    selected: Sequence[Product]  # by the config; none if they are not known
    made: Contact | None = None

    def checks(self) -> Iterator[Check]:
        """Yield a check if a recipe, or CRDS's parameters for its exposures, ask for Gaia."""
        is_named = any(map(_names_gaia, self.config.recipes))
        if not (is_named or self._may_be_aligned()):
            return
        url = self.config.references.gaia_url
        self.made = contact(url)
        check = server_check("Gaia", self.made, "references.gaia.url", has_pages=True)
        if check.outcome == OK:
            check = _answer_check(url)
        outcome = check.outcome if is_named or check.outcome == OK else WARN
        step = f"{check.step}; {WAITING}" if check.step else ""
        yield Check(check.subject, outcome, check.found, step)

    def _may_be_aligned(self) -> bool:
        """Return whether mosaics are made that CRDS's parameters align to Gaia."""
        has_mosaics = any(3 in recipe.stages for recipe in self.config.recipes)
        return has_mosaics and any(file.instrument == ALIGNED_BY_CRDS for file in self.selected)


def _names_gaia(recipe: Recipe) -> bool:
    """Return whether a recipe sets abs_refcat of its mosaics to a catalogue of Gaia."""
    blocks = (block.parameters for block in recipe.where)
    layers = (recipe.parameters, *blocks, recipe.settings)
    return 3 in recipe.stages and any(
        requested_catalogues(layer.get(PIPELINE, {})) for layer in layers
    )


def _answer_check(url: str) -> Check:
    """Check whether the service answers a query as stcal needs it."""
    host = urlsplit(url).netloc.rpartition("@")[2]
    try:
        CatalogueService(url, BRIEF).fetch(FIELD)
    except MissingSliceError as err:
        return Check("Gaia", FAIL, str(err), "run this command again later")
    return Check("Gaia", OK, f"{host} lists stars of {FIELD.catalogue}, as jwst reads them")
