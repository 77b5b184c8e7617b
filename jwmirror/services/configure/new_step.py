"""A step of the user's own to start from: a module with one function, and a test of it."""

import keyword
from importlib.util import find_spec
from pathlib import Path

from jwmirror.core.errors import ConfigError

MODULE = '''\
"""A step of your own between two pipelines of jwst, run by jwmirror."""

from stdatamodels.jwst.datamodels import JwstDataModel


def {name}(model: JwstDataModel) -> JwstDataModel:
    """Say here what is changed, and why.

    What comes in is one exposure as the first pipeline made it, open: after detector1 a rate
    (ImageModel) or rateints (CubeModel), after image2 or spec2 a cal or calints. Change it and
    return it, or return another model of the same class; the second pipeline takes what is
    returned. Useful: model.data and model.err (the first pipeline's units: DN/s after detector1),
    model.dq (0 is good), model.meta.instrument.detector.

    Rules: the same model must always give the same result, so no random numbers without a seed, and
    nothing from files or the network (this source is in the key of the result, what it reads is
    not). An exception is this exposure's failure; the others go on. What is printed goes to the
    exposure's log.
    """
    model.data -= 0.0
    return model
'''
TEST = '''\
"""The step {name}, tried on a small image: `python -m pytest test_{name}.py`."""

import numpy as np
from stdatamodels.jwst.datamodels import ImageModel

from {name} import {name}


def test_a_flat_image_stays_flat():
    """Replace this by what your step is to do: make a model, call it, look at the pixels."""
    model = ImageModel(data=np.ones((16, 16), dtype="float32"))

    changed = {name}(model)

    assert type(changed) is ImageModel
    np.testing.assert_allclose(changed.data, 1.0)
'''


def write_new_step(name: str, folder: Path) -> tuple[Path, Path]:
    """Write NAME.py and test_NAME.py into a folder.

    ConfigError for a name that is none in Python or is in use, and where a file is there already.
    """
    if problem := _problem(name):
        raise ConfigError([f"{name}: {problem}; choose another, such as fix_stripes"])
    texts = {f"{name}.py": MODULE, f"test_{name}.py": TEST}
    taken = [str(folder / each) for each in texts if (folder / each).exists()]
    if taken:
        raise ConfigError(
            [f"{' and '.join(taken)}: there already, and left as it is; choose another name"]
        )
    for each, text in texts.items():
        with open(folder / each, "x") as file:  # never over one that came meanwhile
            file.write(text.format(name=name))
    module, test = (folder / each for each in texts)
    return module, test


def _problem(name: str) -> str:
    if not name.isidentifier() or keyword.iskeyword(name):
        return "expected a name as Python functions have (letters, digits, _)"
    found = find_spec(name)
    return f"a module of that name is there already ({found.origin})" if found else ""
