"""The thresholds of quality: the shipped file, and files of users over it."""

from pathlib import Path

import pytest

from jwmirror.config.thresholds import load_thresholds
from jwmirror.core.errors import ConfigError
from tests.setup.configs import parse


def changed(folder: Path, text: str):
    """The thresholds with those of a file."""
    path = folder / "own.yaml"
    path.write_text(text)
    return load_thresholds(path)


def value(thresholds, instrument: str, exp_type: str, name: str) -> float | None:
    """What is allowed in a mode."""
    return {each.name: each for each in thresholds.of(instrument, exp_type)}[name].value


def test_every_shipped_threshold_has_a_reason():
    """For all instruments and modes."""
    shipped = load_thresholds()
    sections = (shipped.defaults, *shipped.instruments.values(), *shipped.modes.values())

    assert all(each.reason and each.measures for section in sections for each in section.values())


def test_a_mode_wins_over_its_instrument_and_that_over_the_defaults(tmp_path):
    """Other instruments and modes keep theirs."""
    own = changed(
        tmp_path,
        "thresholds: {saturated pixels: {value: 0.1}}\n"
        "instruments: {MIRI: {saturated pixels: {value: 0.2}}}\n"
        "modes: {MIR_MRS: {saturated pixels: {value: 0.3}}}\n",
    )

    values = [
        value(own, instrument, mode, "saturated pixels")
        for instrument, mode in (
            ("NIRCAM", "NRC_IMAGE"),
            ("MIRI", "MIR_IMAGE"),
            ("MIRI", "MIR_MRS"),
        )
    ]

    assert values == [0.1, 0.2, 0.3]
    assert value(own, "MIRI", "MIR_IMAGE", "jumps") == value(load_thresholds(), "MIRI", "", "jumps")


def test_a_user_decides_and_need_not_give_a_reason(tmp_path):
    """The value of a user is not provisional, unless the file says so."""
    own = changed(tmp_path, "thresholds: {jumps: {value: 0.1}}")

    jumps = own.defaults["jumps"]

    assert (jumps.reason, jumps.is_provisional) == ("set in own.yaml", False)


def test_values_by_suffix(tmp_path):
    """The one of `other` applies to all other suffixes; null is not judged."""
    own = changed(tmp_path, "thresholds: {jumps: {value: {rate: 0.1, crf: null, other: 0.2}}}")

    jumps = own.defaults["jumps"]

    assert (jumps.value, jumps.by_suffix) == (0.2, {"rate": 0.1, "crf": None})


@pytest.mark.parametrize("section", ["thresholds", "modes: {NRC_IMAGE"])
def test_a_value_for_one_suffix_leaves_the_others_as_shipped(tmp_path, section):
    """They are still judged."""
    end = "}" if "modes" in section else ""
    own = changed(tmp_path, f"{section}: {{missing pixels: {{value: {{i2d: 0.8}}}}}}{end}")

    judged = {each.name: each for each in own.of("NIRCAM", "NRC_IMAGE")}["missing pixels"]

    shipped = load_thresholds().defaults["missing pixels"]
    assert judged.value == shipped.value == 0.3
    assert judged.by_suffix == {**shipped.by_suffix, "i2d": 0.8}


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        ("thresholds: {jump: {value: 1}}", "thresholds: unknown key 'jump'; did you mean 'jumps'?"),
        ("threshold: {}", "unknown key 'threshold'; did you mean 'thresholds'?"),
        ("instruments: {MIRRI: {}}", "instruments: unknown key 'MIRRI'; did you mean 'MIRI'?"),
        ("thresholds: {jumps: {value: high}}", "thresholds.jumps: Expected"),
        ("thresholds: {jumps: 0.3}", "thresholds.jumps: Expected"),
        ("thresholds: {jumps: {value: 1, basis: guess}}", "thresholds.jumps: Invalid enum value"),
        ("thresholds: {jumps: {value: 1, reasons: x}}", "thresholds.jumps: Object contains"),
        ("thresholds: {jumps: {value: .nan}}", "thresholds.jumps.value: found nan, expected"),
        ("thresholds: {jumps: {value: {rate: .inf}}}", "thresholds.jumps.value: found inf, "),
        ("thresholds: {level: {value: -1}}", "thresholds.level.value: found -1.0, expected"),
        ("modes: {MIR_MRS: {jumps: {value: {RATE: 1}}}}", "MIR_MRS.jumps.value: found 'RATE', "),
        ("thresholds: {jumps: {value: {rate.fits: 1}}}", "jumps.value: found 'rate.fits', "),
        ("modes: {NRC_IMGE: {}}", "modes: unknown key 'NRC_IMGE'; did you mean 'NRC_IMAGE'?"),
        ("thresholds: [jumps]", "thresholds: found ['jumps'], expected keys with values"),
        ("- jumps", "found ['jumps'], expected keys with values"),
    ],
)
def test_mistakes_name_the_file_and_the_place(tmp_path, text, mistake):
    """Without a traceback."""
    with pytest.raises(ConfigError) as error:
        changed(tmp_path, text)

    assert mistake in str(error.value)
    assert str(error.value).startswith(str(tmp_path / "own.yaml"))


def test_a_missing_file_is_a_mistake(tmp_path):
    """With its name."""
    with pytest.raises(ConfigError, match=r"own\.yaml: No such file"):
        load_thresholds(tmp_path / "own.yaml")


def test_a_config_names_a_file_of_thresholds_and_what_recipes_hold_back(tmp_path):
    """A recipe inherits `publish`; mistakes in the file are mistakes in the config."""
    own = tmp_path / "own.yaml"
    own.write_text("thresholds: {jumps: {value: 0.1}}")
    recipes = {"deep": {"publish": "hold"}, "deeper": {"extends": "deep"}, "quick": {}}
    raw = {"programs": [{"program": 1345}], "recipes": recipes, "thresholds": str(own)}

    config = parse(raw, False)
    own.write_text("thresholds: {jump: {value: 0.1}}")

    assert [recipe.publish for recipe in config.recipes] == ["hold", "hold", "mark"]
    assert (config.thresholds, config.strict) == (own, False)
    with pytest.raises(ConfigError, match="did you mean 'jumps'"):
        parse(raw, False)
