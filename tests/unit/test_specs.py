"""Texts of stpipe's specifications, read as parameters."""

import pytest

from jwmirror.core.model.parameters import Parameter
from jwmirror.pipeline.parameters.specs import groups_of, parameter_of


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
