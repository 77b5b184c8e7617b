"""Templates for a function that runs between two pipelines, and for its test."""

import keyword
from importlib.util import find_spec
from pathlib import Path

from jwmirror.core.errors import ConfigError

MODULE = '''\
"""A step that jwmirror runs between two pipelines of jwst."""

from stdatamodels.jwst.datamodels import JwstDataModel


def {name}(model: JwstDataModel) -> JwstDataModel:
    """Describe here what this step changes, and why.

    `model` is one exposure as the first pipeline made it: after detector1 a rate (ImageModel) or
    rateints (CubeModel), after image2 or spec2 a cal or calints. Change it and return it, or
    return another model of the same class; the second pipeline continues with what is returned.
    Useful: model.data and model.err (in the units of the first pipeline: DN/s after detector1),
    model.dq (0 is good), model.meta.instrument.detector.

    Rules: the same model must always give the same result. So use no random numbers without a
    seed, and read nothing from files or the network: jwmirror recomputes a result if this source
    changes, but cannot know what it reads. If the function raises an exception, only this exposure
    fails. What it prints goes to the log of the exposure.
    """
    model.data -= 0.0
    return model
'''
TEST = '''\
"""A test of {name} on a small image: `python -m pytest test_{name}.py`."""

import numpy as np
from stdatamodels.jwst.datamodels import ImageModel

from {name} import {name}


def test_a_flat_image_stays_flat():
    """Replace this by what your step should do: make a model, call it, check the pixels."""
    model = ImageModel(data=np.ones((16, 16), dtype="float32"))

    changed = {name}(model)

    assert type(changed) is ImageModel
    np.testing.assert_allclose(changed.data, 1.0)
'''


def write_new_step(name: str, folder: Path) -> tuple[Path, Path]:
    """Write NAME.py and test_NAME.py into a folder, and return their paths.

    Raises:
        ConfigError: the name is not a Python name, is in use, or one of the files exists.
    """
    if problem := _problem(name):
        raise ConfigError([f"{name}: {problem}; choose another, such as fix_stripes"])
    module, test = folder / f"{name}.py", folder / f"test_{name}.py"
    existing = [str(path) for path in (module, test) if path.exists()]
    if existing:
        raise ConfigError(
            [f"{' and '.join(existing)}: exists already; nothing was written; choose another name"]
        )
    for path, text in ((module, MODULE), (test, TEST)):
        with open(path, "x") as file:  # fails if the file was created in the meantime
            file.write(text.format(name=name))
    return module, test


def _problem(name: str) -> str:
    if not name.isidentifier() or keyword.iskeyword(name):
        return "expected a Python name (letters, digits, _)"
    spec = find_spec(name)
    return f"a module of that name exists ({spec.origin})" if spec else ""
