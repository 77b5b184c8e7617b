"""Values that criteria can have: of header keywords, and suffixes of file names."""

import pytest
from stdatamodels.jwst.datamodels import JwstDataModel

from jwmirror.pipeline.headers import NAMES
from jwmirror.pipeline.parameters import vocabulary
from jwmirror.pipeline.parameters.vocabulary import (
    CLOSED,
    OF_REFERENCES,
    allowed_values,
    criterion_mistakes,
)


@pytest.mark.parametrize("key", CLOSED)
def test_hardware_has_the_values_of_stdatamodels(key):
    """Each once, without those that only references have."""
    path = NAMES[key].split(".")
    modelled = set(map(str, vocabulary._listed(JwstDataModel().schema, path)))

    values = allowed_values(key)

    assert 5 < len(values) == len(set(values))
    assert set(values) == modelled - OF_REFERENCES


@pytest.mark.parametrize("key", ["subarray", "readpatt", "program", "observation", "suffix"])
def test_what_observers_may_add_has_any_value(key):
    """New subarrays are introduced without a new jwst."""
    assert allowed_values(key) == ()
    assert [*criterion_mistakes("X", key, "place")] == []


def test_values_of_a_schema_are_found_wherever_it_lists_them(monkeypatch):
    """In parts that must all be met, in alternatives, and in what is no mapping: none."""
    enum = [{"enum": ["A", 1]}, {"anyOf": [{"enum": ["B", "ANY"]}, True]}]
    detector = {"properties": {"detector": {"allOf": enum}, "name": {"enum": ["OTHER"]}}}
    meta = {"properties": {"instrument": {"anyOf": [detector, {"enum": ["HIGHER"]}]}}}
    schema = {"allOf": [{"properties": {"meta": meta}}], "enum": ["TOP"]}
    monkeypatch.setattr(vocabulary, "_keyword_schema", lambda: schema)

    assert vocabulary.allowed_values.__wrapped__("detector") == ("A", "1", "B")


@pytest.mark.parametrize(
    ("key", "wanted", "wrong"),
    [
        ("filter", "f770w ", []),
        ("filter", ["CLEARP", "F405N", ""], []),
        ("filter", ("XYZ", "F200W", "ABC"), ["XYZ", "ABC"]),
        ("pupil", "F770W", ["F770W"]),
        ("instrument", "MIRR", ["MIRR"]),
        ("exp_type", ["", "nrc_image"], []),
    ],
)
def test_each_value_that_no_exposure_can_have_is_a_mistake(key, wanted, wrong):
    """With the place; a filter may be in either wheel, and "" means that there is none."""
    found = [*criterion_mistakes(wanted, key, "place")]

    kind = "filter or pupil" if key == "filter" else key
    assert [line.partition(";")[0] for line in found] == [
        f"place: unknown {kind} {value!r}" for value in wrong
    ]


@pytest.mark.parametrize(
    ("pair", "why"),
    [
        ("F444W+F405N", ""),
        (" f405n + f444w", ""),
        ("GR150R+F200W", ""),
        ("F200W+CLEAR", ""),
        ("F444W+F405", "unknown filter or pupil 'F405'; did you mean 'F405N'?"),
        ("F290LP+G395H", "unknown filter or pupil 'G395H'"),
        ("F770W+F560W", "expected one element of the filter wheel and one of the pupil wheel"),
        ("F444W+F405N+CLEAR", "expected one element of the filter wheel"),
        ("F444W+", "unknown filter or pupil ''"),
    ],
)
def test_a_pair_has_an_element_of_each_wheel(pair, why):
    """In any order; the two need not be a pair that is offered to observers."""
    mistakes = [*criterion_mistakes(pair, "filter", "place")]

    assert len(mistakes) == bool(why)
    assert all(line.startswith("place: ") and why in line for line in mistakes)


@pytest.mark.parametrize(
    ("suffix", "hint"),
    [
        *((known, "") for known in ("uncal", "RATE", "wfscmb", "wfscmb-04", "asn", "thumb")),
        *((known, "") for known in ("recommended", "ami-oi", "psfstack", "s3d", "stream")),
        ("unkal", "did you mean 'uncal'?"),
        ("rates", "did you mean 'rate'?"),
        ("tweakregstep", "unknown suffix 'tweakregstep'"),
        ("fits", "`files` selects other products"),
    ],
)
def test_a_suffix_that_no_product_has_is_a_mistake(suffix, hint):
    """With the nearest one; names of steps are no suffixes at MAST."""
    mistakes = [*criterion_mistakes([suffix], "product", "place")]

    assert len(mistakes) == bool(hint)
    assert all(hint in line and "`files`" in line for line in mistakes)
