"""What a warm process has ready before it forks for its first stage.

Two functions of others are replaced here by ones that give the same and remember it. Where a
version has none of that name, all works as before, slower.
"""

import contextlib
import functools
import gc
import os
import tempfile
from collections.abc import Mapping, Sequence


def preload() -> None:
    """Import what every stage needs, and keep the garbage collector from walking it again.

    stpipe collects garbage at every step, which is most of the time of a small exposure.
    """
    import jwst.pipeline  # noqa: F401 - imported for the forks to come

    _read_schemas_once()
    _open_models()
    _index_keywords()
    if context := os.environ.get("CRDS_CONTEXT"):
        with contextlib.suppress(Exception):  # the stages will say what is wrong with it
            from crds.core.heavy_client import get_symbolic_mapping

            get_symbolic_mapping(context, cached=True)  # as stpipe does
    gc.collect()
    gc.freeze()


def _read_schemas_once() -> None:
    """Let asdf keep the schemas it has parsed; else it parses them anew at each tag it validates.

    That is a third of a small exposure's time.
    """
    from asdf import schema

    if make := getattr(schema, "_make_schema_loader", None):
        loader = functools.cache(make())
        schema._make_schema_loader = lambda: loader


def _open_models() -> None:
    """Write and read a model of each common kind, which reads what they share."""
    from stdatamodels.jwst import datamodels

    with tempfile.TemporaryDirectory() as folder:
        for kind, shape in ((datamodels.RampModel, (1, 2, 4, 4)), (datamodels.ImageModel, (4, 4))):
            with kind(shape) as model:
                path = model.save(f"{folder}/{kind.__name__}.fits")
            datamodels.open(path).close()
    datamodels.CubeModel().close()


def _index_keywords() -> None:
    """Let CRDS find the place of a FITS keyword in an index; else it walks a schema for each one.

    stpipe asks it for all that a file carries, each line of its calibration logs too, and a fork
    begins with nothing remembered: that is a sixth of a small exposure's time.
    """
    from crds.jwst import locate

    with contextlib.suppress(AttributeError):
        locate.get_datamodels()
        places = _places_of_keywords(locate.MODEL.schema)
        locate.cached_dm_find_fits_keyword = lambda keyword: places.get(keyword.upper(), [])


def _places_of_keywords(schema: Mapping[str, object]) -> dict[str, list[str]]:
    """FITS keyword -> where a model keeps it: {"EXP_TYPE": ["meta.exposure.type"], ...}."""
    from stdatamodels.schema import walk_schema

    places: dict[str, list[str]] = {}

    def note(part: Mapping[str, str], path: Sequence[str], *_: object) -> bool:
        if path[:1] == ["extra_fits"]:
            return True
        if keyword := part.get("fits_keyword"):
            places.setdefault(keyword, []).append(".".join(path))
        return False

    walk_schema(schema, note)
    return places
