"""Keys of derivations, and how two derivations differ."""

from dataclasses import replace
from importlib.metadata import version
from platform import python_version

import pytest

from jwmirror.core.errors import CalibrationError
from jwmirror.core.model import Derivation, Input, Reason, ResultFile
from jwmirror.pipeline import derivation as derivations
from jwmirror.pipeline.derivation import (
    bind,
    differences,
    engine_versions,
    forms_of,
    is_bound,
    key_of,
    result_of,
    software_versions,
)
from jwmirror.pipeline.engine_content import PackageCode
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


def test_a_key_is_that_of_mirrors_made_before():
    """Another one for the same derivation would make every result again."""
    assert key_of(example()) == "e0e71053236a5570637d67e3c6abefd44968dff2418af2156197927ee54752a8"


def test_where_the_bytes_are_does_not_enter_the_key():
    """Two files of equal science give one key."""
    moved = tuple(replace(item, sha256="00") for item in example().inputs)

    assert key_of(example(inputs=moved)) == key_of(example())


def test_a_result_is_looked_up_under_the_form_of_earlier_keys_too():
    """After the present one; only if there is such a form."""
    former = {"steps": {}}

    assert list(forms_of(example(), None)) == [example()]
    assert list(forms_of(example(), former)) == [example(), example(parameters=former)]


def test_values_that_are_equal_are_no_difference():
    """An earlier key may have 1 where the present one has 1.0."""
    earlier = example(parameters={"save": False, "size": [1, 2]})

    assert differences(earlier, example(parameters={"save": False, "size": [1.0, 2.0]})) == ()


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"engine": {**example().engine, "jwst": "3.0.1"}}, "version of jwst: 3.0.0 -> 3.0.1"),
        ({"inputs": example().inputs[::-1]}, "order of the inputs"),
        (
            {"inputs": (replace(example().inputs[0], role="background"), example().inputs[1])},
            "role of x_uncal.fits: science -> background",
        ),
        (
            {"inputs": (replace(example().inputs[0], identity="a2"), example().inputs[1])},
            "content of x_uncal.fits: aa -> a2",
        ),
        ({"pipeline": "image2"}, "image2: pipeline: detector1 -> image2"),
        ({"hooks": ()}, "hook fix.py: ee -> -"),
        ({"references": {"dark": ("dark_1.fits", "11")}}, "reference ipc: N/A -> -"),
        ({"inputs": example().inputs[:1]}, "input y_uncal.fits: science -> -"),
        ({"references": {**example().references, "dark": ("dark_2.fits", "22")}}, "dark_2.fits"),
        (
            {"references": {**example().references, "dark": ("dark_1.fits", "22")}},
            "content of dark_1.fits: 11 -> 22",
        ),
        ({"hooks": (("fix.py", "ff"),)}, "hook fix.py: ee -> ff"),
        ({"parameters": {"save": True, "steps": {}}}, "save: false -> true"),
    ],
)
def test_each_thing_that_matters_changes_the_key_and_is_told(changes, expected):
    """What enters the key also shows as a reason."""
    new = example(**changes)

    told = [reason.with_hashes for reason in differences(example(), new)]

    assert key_of(new) != key_of(example())
    assert any(expected in line for line in told), told


def test_a_changed_parameter_is_told_by_its_full_name():
    """The reason names pipeline, step and parameter, and both values."""
    steps = {"jump": {"skip": False, "rejection_threshold": 5.0}}

    told = differences(example(), example(parameters={"save": False, "steps": steps}))

    name = "jump.rejection_threshold"
    expected = Reason(f"detector1: {name}", "4.0", "5.0", "detector1", "parameter", name)
    assert told == (expected,)


def test_equal_derivations_do_not_differ():
    """No difference, no reason."""
    assert differences(example(), example()) == ()


def test_an_input_that_is_not_made_yet_does_not_differ():
    """Known beside unknown: the other input, which is known on both sides, does."""
    first, second = example().inputs
    new = example(inputs=(replace(first, identity=""), replace(second, identity="c2")))

    told = [str(reason) for reason in differences(example(), new)]

    assert told == ["detector1: science content of y_uncal.fits changed"]


@pytest.mark.parametrize(("name", "cause"), [("x_uncal.fits", "content"), ("x_cal.fits", "inputs")])
def test_changed_content_of_a_result_is_a_change_of_inputs(name, cause):
    """That of a raw exposure is a change by itself."""
    old, new = (example(inputs=(Input(name=name, role="science", identity=i),)) for i in ("a", "b"))

    (reason,) = differences(old, new)

    assert (reason.cause, reason.stage) == (cause, "detector1")


def test_hashes_in_reasons_are_cut_to_what_tells_them_apart():
    """Twelve digits of an identity or of a hook."""
    first = example().inputs[0]
    old, new = (
        example(inputs=(replace(first, identity=d * 64),), hooks=(("fix.py", d * 64), ("b", "b")))
        for d in "19"
    )

    reasons = differences(old, new)

    assert {(each.old, each.new) for each in reasons} == {("1" * 12, "9" * 12)}
    assert [each.what.partition(": ")[2] for each in reasons] == [
        "science content of x_uncal.fits",
        "hook fix.py",
    ]
    assert not any("1" * 12 in str(each) for each in reasons)


def test_a_reference_that_changed_under_its_name_is_told_with_its_content():
    """One beside it that has another name is told by its name."""
    old = example(references={"dark": ("d.fits", "1" * 40), "flat": ("f1.fits", "3" * 40)})
    new = example(references={"dark": ("d.fits", "2" * 40), "flat": ("f2.fits", "4" * 40)})

    told = [(str(reason), reason.old, reason.new) for reason in differences(old, new)]

    assert told == [
        ("detector1: reference flat: f1.fits -> f2.fits", "f1.fits", "f2.fits"),
        ("detector1: reference dark: content of d.fits changed", "1" * 8, "2" * 8),
    ]


def test_only_one_of_two_inputs_is_unknown():
    """A derivation is bound when the content of every input is known."""
    first, second = example().inputs

    assert is_bound(example())
    assert not is_bound(example(inputs=(first, replace(second, identity=""))))


def test_binding_keeps_what_is_known_and_a_result_has_its_key():
    """A known input is not taken from files of the same name."""
    known = Input(name=RATE.filename, role="background", identity="known", sha256="5b")
    unknown = Input(name=RATE.filename, role="science")

    bound = bind(example(inputs=(known, unknown)), [RATE])
    result = result_of("deep", 1345, "o001", bound, (RATE,))

    assert [item.identity for item in bound.inputs] == ["known", RATE.identity]
    assert (result.key, result.pipeline, result.product) == (key_of(bound), "detector1", "x")
    assert (result.recipe, result.program, result.observation, result.files) == (
        "deep", 1345, "o001", (RATE,),
    )  # fmt: skip


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


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"inputs": example().inputs[:1]}, ["input y_uncal.fits: science -> -"]),
        ({"inputs": example().inputs[::-1]},
         ["order of the inputs: x_uncal.fits y_uncal.fits -> y_uncal.fits x_uncal.fits"]),
        ({"references": {"ipc": ("N/A", "")}}, ["reference dark: dark_1.fits -> -"]),
        ({"parameters": {"save": False, "steps": {"jump": {"skip": True}}}},
         ["jump.rejection_threshold: 4.0 -> -", "jump.skip: false -> true"]),
        ({"hooks": (("b.py", "bb"), ("fix.py", "ee"))}, ["hook b.py: - -> bb"]),
        ({"engine": {**example().engine, "stpipe": "1"}}, ["version of stpipe: - -> 1"]),
    ],
)  # fmt: skip
def test_only_what_changed_is_a_reason(changes, expected):
    """In one direction, and with old and new exchanged in the other."""
    old, new = example(), example(**changes)

    found = [reason.what.removeprefix("detector1: ") for reason in differences(new, old)]

    assert [reason.with_hashes for reason in differences(old, new)] == [
        f"detector1: {x}" for x in expected
    ]
    assert found == [line.partition(": ")[0] for line in expected]


def test_reasons_are_in_the_order_of_their_names():
    """So that two runs say the same."""
    new = example(
        references={name: (f"{name}.fits", "1") for name in "edcba"},
        hooks=tuple((name, name) for name in "cba"),
        parameters=dict.fromkeys("cab", 1),
        inputs=tuple(records.science(f"{name}_uncal.fits") for name in "cba"),
    )
    old = example(references={}, hooks=(), parameters={}, inputs=())

    found = [reason.what.removeprefix("detector1: ") for reason in differences(old, new)]

    inputs = [f"input {name}_uncal.fits" for name in "abc"]
    hooks = [f"hook {name}" for name in "abc"]
    assert found == [*inputs, *"abc", *(f"reference {name}" for name in "abcde"), *hooks]


def test_an_input_that_is_missing_is_told_with_what_there_is():
    """Sorted; and that there is nothing."""
    unbound = example(inputs=(Input(name="x_ramp.fits", role="science"),))
    other = replace(RATE, filename="a_rate.fits")

    with pytest.raises(CalibrationError, match=r"made \['a_rate.fits', 'x_rate.fits'\]\."):
        bind(unbound, [RATE, other])
    with pytest.raises(CalibrationError, match=r"detector1 of x needs x_ramp.fits; .* nothing\."):
        bind(unbound, [])


def test_versions_beside_the_key_are_those_installed(monkeypatch):
    """Of what computes and reads; an empty one for what is not installed."""
    names = ["asdf", "astropy", "crds", "drizzle", "gwcs", "numpy", "photutils", "scipy"]
    monkeypatch.setattr(derivations, "SOFTWARE", (*derivations.SOFTWARE, "no-such-package"))

    found = software_versions.__wrapped__()

    assert sorted(found) == sorted([*names, "no-such-package", "python", "stpipe", "tweakwcs"])
    assert {name: found[name] for name in names} == {name: version(name) for name in names}
    assert (found["no-such-package"], found["python"]) == ("", python_version())


def test_modified_code_of_the_engine_is_among_the_software(monkeypatch):
    """With what differs; released code is only in the key."""
    released = PackageCode(name="jwst", release="3.0.0", content="1f" * 32)
    code = {"jwst": released, "stcal": replace(released, name="stcal", modified="edited")}
    monkeypatch.setattr(derivations, "engine_code", lambda: code)

    found = software_versions.__wrapped__()

    assert found["stcal"] == "stcal 3.0.0, modified: edited" and "jwst" not in found
    assert engine_versions.__wrapped__() == {
        "jwst": "3.0.0",
        "stcal": "3.0.0+modified.1f1f1f1f1f1f",
    }
