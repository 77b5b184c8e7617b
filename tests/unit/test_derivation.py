"""Keys of derivations, and how two derivations differ."""

from dataclasses import replace

import pytest

from jwmirror.core.errors import CalibrationError
from jwmirror.core.model import Derivation, Input, Reason, ResultFile
from jwmirror.pipeline.derivation import bind, differences, engine_versions, key_of
from tests.setup import records

RATE = ResultFile(filename="x_rate.fits", sha256="5a" * 32, size=10, identity="1d" * 32)


def example(**changes: object) -> Derivation:
    """A derivation of stage 1 with two inputs, parameters, references and a hook."""
    steps = {"jump": {"skip": False, "rejection_threshold": 4.0}}
    plain = records.derivation(
        engine={"jwst": "3.0.0", "stcal": "1.20.0", "stdatamodels": "4.0.0"},
        inputs=(
            Input(name="x_uncal.fits", role="science", identity="aa", sha256="bb"),
            Input(name="y_uncal.fits", role="science", identity="cc", sha256="dd"),
        ),
        parameters={"save": False, "steps": steps},
        references={"dark": ("dark_1.fits", "11"), "ipc": ("N/A", "")},
        hooks=(("fix.py", "ee"),),
    )
    return replace(plain, **changes)


def test_where_the_bytes_are_does_not_enter_the_key():
    """Two files of equal science give one key."""
    moved = tuple(replace(item, sha256="00") for item in example().inputs)

    assert key_of(example(inputs=moved)) == key_of(example())


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"engine": {**example().engine, "jwst": "3.0.1"}}, "version of jwst: 3.0.0 -> 3.0.1"),
        ({"inputs": example().inputs[::-1]}, "order of the inputs"),
        ({"inputs": example().inputs[:1]}, "input y_uncal.fits: science -> -"),
        ({"references": {**example().references, "dark": ("dark_2.fits", "22")}}, "dark_2.fits"),
        ({"references": {**example().references, "dark": ("dark_1.fits", "22")}}, "(22)"),
        ({"hooks": (("fix.py", "ff"),)}, "hook fix.py changed: ee -> ff"),
        ({"parameters": {"save": True, "steps": {}}}, "save: false -> true"),
    ],
)
def test_each_thing_that_matters_changes_the_key_and_is_told(changes, expected):
    """What enters the key also shows as a reason."""
    new = example(**changes)

    told = [str(reason) for reason in differences(example(), new)]

    assert key_of(new) != key_of(example())
    assert any(expected in line for line in told), told


def test_a_changed_parameter_is_told_by_its_full_name():
    """The reason names pipeline, step and parameter, and both values."""
    steps = {"jump": {"skip": False, "rejection_threshold": 5.0}}

    told = differences(example(), example(parameters={"save": False, "steps": steps}))

    assert told == (Reason("detector1: jump.rejection_threshold", "4.0", "5.0", "detector1"),)


def test_equal_derivations_do_not_differ():
    """No difference, no reason."""
    assert differences(example(), example()) == ()


def test_an_unbound_derivation_has_no_key():
    """Before the stage below has run, the result cannot be named."""
    unbound = example(inputs=(Input(name="x_rate.fits", role="science"),))

    with pytest.raises(CalibrationError, match=r"x_rate\.fits"):
        key_of(unbound)


def test_binding_takes_content_and_place_by_name():
    """An input without identity takes those of the file that the stage before made."""
    unbound = example(inputs=(Input(name="x_rate.fits", role="science"),))

    (item,) = bind(unbound, [RATE]).inputs

    assert (item.identity, item.sha256, item.role) == (RATE.identity, RATE.sha256, "science")


def test_binding_to_a_stage_that_did_not_make_the_file_fails():
    """It says what was needed and what there is."""
    unbound = example(inputs=(Input(name="x_ramp.fits", role="science"),))

    with pytest.raises(CalibrationError, match=r"needs x_ramp\.fits.*x_rate\.fits"):
        bind(unbound, [RATE])


def test_the_engine_is_what_is_installed():
    """Just the three packages that a key depends on."""
    assert sorted(engine_versions()) == ["jwst", "stcal", "stdatamodels"]
    assert all(engine_versions().values())
