"""Imports and caches that the fork server prepares before its first stage.

Two functions of asdf and CRDS are replaced by cached ones that return the same. In versions that do
not have these functions, nothing is replaced, and stages are slower.
"""

import contextlib
import functools
import gc
import os
import tempfile
from collections.abc import Mapping, Sequence


def preload() -> None:
    """Import what every stage needs, and exclude it from garbage collection.

    stpipe collects garbage at every step, which takes most of the time of a small exposure.
    """
    import jwst.pipeline  # noqa: F401 - imported for the forks to come

    _read_schemas_once()
    _open_models()
    _index_keywords()
    if context := os.environ.get("CRDS_CONTEXT"):
        with contextlib.suppress(Exception):  # the stages will report what is wrong with it
            from crds.core.heavy_client import get_symbolic_mapping

            get_symbolic_mapping(context, cached=True)  # as stpipe does
    gc.collect()
    gc.freeze()


def _read_schemas_once() -> None:
    """Cache the schemas that asdf parses; it would parse them again at each tag it validates.

    This saves a third of a small exposure's time.
    """
    from asdf import schema

    if make := getattr(schema, "_make_schema_loader", None):
        loader = functools.cache(make())
        schema._make_schema_loader = lambda: loader


def _open_models() -> None:
    """Write and read a model of each common kind, which loads the schemas that they share."""
    from stdatamodels.jwst import datamodels

    with tempfile.TemporaryDirectory() as folder:
        for kind, shape in ((datamodels.RampModel, (1, 2, 4, 4)), (datamodels.ImageModel, (4, 4))):
            with kind(shape) as model:
                path = model.save(f"{folder}/{kind.__name__}.fits")
            datamodels.open(path).close()
    datamodels.CubeModel().close()


def _index_keywords() -> None:
    """Let CRDS look up FITS keywords in an index; it would search a schema for each one.

    stpipe asks for all keywords of a file, including each line of its calibration log, and a fork
    starts with an empty cache. This saves a sixth of a small exposure's time.
    """
    from crds.jwst import locate

    with contextlib.suppress(AttributeError):
        locate.get_datamodels()
        places = _places_of_keywords(locate.MODEL.schema)
        locate.cached_dm_find_fits_keyword = lambda keyword: places.get(keyword.upper(), [])


def _places_of_keywords(schema: Mapping[str, object]) -> dict[str, list[str]]:
    """Return the attributes of a model by FITS keyword: {"EXP_TYPE": ["meta.exposure.type"]}."""
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
