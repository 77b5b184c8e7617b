"""Texts of stpipe's specifications, read as parameters; and the values of header keywords."""

import pytest
from stdatamodels.jwst.datamodels import JwstDataModel

from jwmirror.core.model.parameters import Parameter
from jwmirror.pipeline.parameters import specs
from jwmirror.pipeline.parameters.specs import (
    allowed_values,
    groups_of,
    header_value_mistakes,
    parameter_of,
)


@pytest.mark.parametrize(
    ("check", "fields"),
    [
        ("boolean", {"type": "boolean"}),
        ("float(", {"type": "float("}),
        ("float(default=4.0,min=0)", {"type": "float", "default": "4.0", "minimum": "0"}),
        (" float(0, default=None) ", {"type": "float", "default": "null", "minimum": "0"}),
        ("integer(1, 5, default=2),",
         {"type": "integer", "default": "2", "minimum": "1", "maximum": "5"}),
        ("integer(0, max=9)", {"type": "integer", "minimum": "0", "maximum": "9"}),
        ("float_list(min=2,max=3,default=None)",
         {"type": "float_list", "default": "null", "minimum": "2", "maximum": "3"}),
        ("option('a',1,b,default='a')",
         {"type": "option", "default": "a", "allowed": ("a", "1", "b")}),
        ("list(default=list())", {"type": "list", "default": "[]"}),
        ("string_list(2, default=list('a','b'))", {"type": "string_list", "default": "[a, b]"}),
        ("string(default='1')", {"type": "string", "default": "'1'"}),
        ("is_string_or_datamodel(default=None)", {"type": "file", "default": "null"}),
        ("input_file(default='x')", {"type": "file", "default": "x"}),
        ("output_file()", {"type": "file"}),
    ],
)  # fmt: skip
def test_a_check_is_read_as_a_parameter(check, fields):
    """Each part as a config would write it; a check that is no call is its own type."""
    assert parameter_of("x", check) == Parameter(name="x", **{"default": None, **fields})


@pytest.mark.parametrize("check", ["float(default=1)", "float", "float("])
def test_a_comment_is_the_help_of_its_parameter(check):
    """Without its mark, and in one line."""
    assert parameter_of("x", check, "# the  limit,\n in #").help == "the limit, in #"


def test_only_words_for_one_process_are_allowed_for_cores():
    """Whatever stpipe allows."""
    found = parameter_of("maximum_cores", "option('none','all',default='none')")

    assert (found.allowed, found.default) == (("none", "'1'"), "none")


def test_the_groups_of_a_pipeline_begin_with_its_own():
    """Steps by name and class; `skip` of a step may be set, that of a pipeline not."""
    whole, *steps = groups_of("image2")
    photom = next(group for group in steps if group.step == "photom")

    names = {parameter.name for parameter in photom.parameters}
    assert (whole.name, whole.class_name, whole.stage) == (
        "image2",
        "jwst.pipeline.calwebb_image2.Image2Pipeline",
        2,
    )
    assert (photom.name, photom.class_name) == (
        "image2.photom",
        "jwst.photom.photom_step.PhotomStep",
    )
    own = {parameter.name for parameter in whole.parameters}
    assert {"skip", "inverse", "save_results"} <= names and not {"steps", "suffix"} & names
    assert "save_bsub" in own and not {"skip", "save_results", "steps", "photom"} & own
    assert all(parameter.help for parameter in photom.parameters if parameter.name == "inverse")


@pytest.mark.parametrize(
    "key", ["instrument", "detector", "filter", "pupil", "grating", "exp_type"]
)
def test_hardware_has_the_values_of_the_schema(key):
    """Each once, without those that only references have."""
    found = allowed_values(key)

    assert 5 < len(found) == len(set(found))
    assert not {"ANY", "MULTIPLE", "TFI", "UNKNOWN"} & set(found)


@pytest.mark.parametrize("key", ["subarray", "readpatt", "program", "observation", "suffix"])
def test_what_observers_may_add_has_any_value(key):
    """New subarrays are introduced without a new jwst."""
    assert allowed_values(key) == ()
    assert [*header_value_mistakes("X", key, "place")] == []


def test_values_of_a_schema_are_found_wherever_it_lists_them(monkeypatch):
    """In parts that must all be met, in alternatives, and in what is no mapping: none."""
    enum = [{"enum": ["A", 1]}, {"anyOf": [{"enum": ["B", "ANY"]}, True]}]
    detector = {"properties": {"detector": {"allOf": enum}, "name": {"enum": ["OTHER"]}}}
    meta = {"properties": {"instrument": {"anyOf": [detector, {"enum": ["HIGHER"]}]}}}
    schema = {"allOf": [{"properties": {"meta": meta}}], "enum": ["TOP"]}
    monkeypatch.setattr(JwstDataModel, "schema", schema)

    assert specs.allowed_values.__wrapped__("detector") == ("A", "1", "B")


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
    found = [*header_value_mistakes(wanted, key, "place")]

    kind = "filter or pupil" if key == "filter" else key
    assert [line.partition(";")[0] for line in found] == [
        f"place: unknown {kind} {value!r}" for value in wrong
    ]
