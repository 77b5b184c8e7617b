"""tweakreg's query for stars, answered from the slice in the key instead of the network.

stcal's `get_catalog` asks the service with `requests`. This process answers in place of it, so that
stcal itself reads the answer, and its columns, masks and types are those of plain jwst.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import parse_qs, urlsplit

from jwmirror.core.errors import CalibrationError, as_typed
from jwmirror.core.files import sha256_of
from jwmirror.core.model import Derivation
from jwmirror.core.model.sky.slices import CatalogueCone
from jwmirror.pipeline.gaia.catalogues import requested_catalogues
from jwmirror.pipeline.gaia.slice_text import part_of_answer, read_slice

REPLACED = ("get_catalog", "requests")  # names in stcal's module that are relied on


def slice_objects(derivation: Derivation) -> dict[str, str]:
    """Return the name and sha256 of each slice that the steps of a derivation query."""
    wanted = requested_catalogues(derivation.parameters)
    return dict(ref for name, ref in derivation.references.items() if name in wanted)


def answer_star_queries(derivation: Derivation, folder: Path) -> None:
    """Answer queries of this process for stars from the slices in `folder`, from now on.

    Nothing is changed for a derivation whose steps query no catalogue.

    Raises:
        CalibrationError: a slice is not that of the key, or stcal queries in a way not known.
    """
    if not requested_catalogues(derivation.parameters):
        return
    astrometric_utils = _module_of_stcal()
    objects = slice_objects(derivation).items()
    slices = dict(_read(folder / name, sha256) for name, sha256 in objects)
    astrometric_utils.requests = SliceSession(slices)
    if hasattr(astrometric_utils, "get_s3_catalog"):
        astrometric_utils.get_s3_catalog = _refuse


def _module_of_stcal() -> Any:  # stcal has no types
    """Return the module that queries; CalibrationError unless it does so with `requests`."""
    try:
        from stcal.tweakreg import astrometric_utils as module
    except ImportError:  # before 1.6
        module = None
    if missing := [name for name in REPLACED if not hasattr(module, name)]:
        raise CalibrationError(
            "this version of stcal queries star catalogues in a way that jwmirror does not know "
            f"(no {' and no '.join(missing)} in stcal.tweakreg.astrometric_utils); set abs_refcat "
            "to a catalogue file, or take another version of jwst."
        )
    return module


def _read(path: Path, sha256: str) -> tuple[CatalogueCone, str]:
    """Return the cone and the answer of a slice; CalibrationError if it is another one."""
    found = sha256_of(path) if path.exists() else ""
    if found != sha256:
        raise CalibrationError(
            f"slice {path.name}: sha256 expected {sha256[:12]}, found {found[:12] or 'no file'}; "
            f"nothing was stored; {as_typed('verify')} says what is damaged."
        )
    return read_slice(path.read_bytes().decode())


@dataclass(frozen=True)
class SliceResponse:
    """The parts of a response of `requests` that versions of stcal read."""

    content: bytes
    status_code: int = 200

    @property
    def text(self) -> str:
        """The content, decoded."""
        return self.content.decode()


class SliceSession:
    """A replacement of `requests` in stcal's module, which answers from slices only."""

    def __init__(self, slices: Mapping[CatalogueCone, str]):
        import requests

        self._slices = slices
        self.exceptions = requests.exceptions

    def get(self, url: str, **_: object) -> SliceResponse:
        """Return the response to a query, from the slice that covers its cone.

        Raises:
            CalibrationError: no slice covers it.
        """
        cone = _cone_of(url)
        for slice_cone, answer in self._slices.items():
            if slice_cone.covers(cone):
                return SliceResponse(part_of_answer(answer, cone).encode())
        raise CalibrationError(
            f"jwst queries {cone}; expected a cone inside that of a stored slice: "
            f"{'; '.join(map(str, self._slices)) or 'no slice'}; nothing was stored. Is the "
            "pointing in a header wrong, or did the relative alignment move images far? Set "
            "abs_refcat to a catalogue file, or to '' for no absolute alignment."
        )

    def __getattr__(self, name: str) -> NoReturn:
        raise CalibrationError(
            f"this version of stcal queries star catalogues in a way that jwmirror does not know "
            f"(requests.{name}); set abs_refcat to a catalogue file."
        )


def _cone_of(url: str) -> CatalogueCone:
    """Return the cone that a query of stcal asks for."""
    query = {name: values[-1] for name, values in parse_qs(urlsplit(url).query).items()}
    try:
        return CatalogueCone(
            catalogue=query["CAT"],
            ra=float(query["RA"]),
            dec=float(query["DEC"]),
            radius=float(query["SR"]),
            epoch=float(query["EPOCH"]),
        )
    except (KeyError, ValueError) as err:
        raise CalibrationError(
            f"expected a query with CAT, RA, DEC, SR and EPOCH, found {url.partition('?')[2]!r}; "
            "set abs_refcat to a catalogue file."
        ) from err


def _refuse(*arguments: object, **_: object) -> NoReturn:
    raise CalibrationError(
        "jwst queries a catalogue in Amazon S3, which jwmirror does not store; set abs_refcat to "
        "GAIADR3, or to a catalogue file."
    )
