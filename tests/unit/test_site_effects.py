"""What a generation did to its files, in words: flags of pixels, and noise."""

from collections.abc import Mapping

from jwmirror.compare.pictures import DrawnComparison, LargestDifference
from jwmirror.core.model.comparison import FlagDifference
from jwmirror.services.site.differences import DifferingFile
from jwmirror.services.site.effects.measured import measured_effects
from jwmirror.services.site.effects.pixels import pixel_effects
from tests.setup.mirrors import MOSAIC

JUMPS = "JUMP_DET (a jump in the ramp, mostly a cosmic ray)"


class Measured:
    """Results with measurements of files, by key and name of the file."""

    def __init__(self) -> None:
        self.files: list[DifferingFile] = []
        self._known: dict[tuple[str, str], Mapping[str, float]] = {}

    def add(self, filename: str, old: Mapping[str, float], new: Mapping[str, float]) -> None:
        """Add a file that recipe deep made twice."""
        path = f"recalibrated/deep/jw01345/o001/{filename}"
        keys = {"old_key": f"1 {filename}", "key": f"2 {filename}"}
        self.files.append(DifferingFile(kind="changed", path=path, origin="deep", **keys))
        self._known |= {(keys["old_key"], filename): old, (keys["key"], filename): new}

    def measured(self, key: str, filename: str) -> Mapping[str, float]:
        """Return what was measured on a file of a result."""
        return self._known.get((key, filename), {})

    @property
    def effects(self) -> tuple[str, ...]:
        """The effects in words."""
        return measured_effects(self.files, self)


def name(number: int, suffix: str = "rate") -> str:
    """The name of a product of an exposure."""
    return f"jw01345001001_02101_{number:05d}_nrcb1_{suffix}.fits"


def flagged(pixels: int, total: int = 25_600, quantity: str = "jumps") -> dict[str, float]:
    """Measurements of an image with so many flagged pixels, to six digits."""
    return {"pixels": total, quantity: float(f"{pixels / total:.6g}")}


def test_flags_are_counted_over_exposures_and_kinds():
    """From the least to the most; kinds of files with the same numbers are named together."""
    results = Measured()
    for suffix in ("rate", "cal"):
        for number, fewer in enumerate((6, 179, 31), start=1):
            results.add(name(number, suffix), flagged(400), flagged(400 - fewer))

    assert results.effects == (
        f"recipe deep, {JUMPS}: 6 to 179 fewer pixels flagged in each of 3 exposures (cal, rate).",
    )


def test_flags_may_be_gained_and_lost():
    """Exposures with the same number do not count."""
    results = Measured()
    for number, pixels in enumerate((395, 412, 400), start=1):
        results.add(name(number), flagged(400), flagged(pixels))
    results.add(name(4), flagged(0, quantity="saturated"), flagged(1, quantity="saturated"))

    jumps, saturated = results.effects
    assert jumps.endswith("between 5 fewer and 12 more pixels flagged in 2 of 3 exposures (rate).")
    assert saturated.endswith(": 1 more pixel flagged in 1 exposure (rate).")


def test_numbers_of_sampled_images_are_estimates():
    """Of large images, every n-th row was measured."""
    results = Measured()
    results.add(name(1), flagged(500, 4 << 20), flagged(450, 4 << 20))

    assert "about 50 fewer pixels flagged in 1 exposure" in results.effects[0]


def test_a_rise_of_the_noise_is_named():
    """Above 5 %; exposures and mosaics apart."""
    results = Measured()
    for number, noise in enumerate((12.7, 12.55, 10.4), start=1):
        results.add(name(number), {"noise": 10.0}, {"noise": noise})
    results.add(f"{MOSAIC}_i2d.fits", {"noise": 10.0}, {"noise": 9.0})

    assert results.effects == (
        "recipe deep, noise (scatter of the pixels): \u221210 % in 1 file (i2d of combined "
        "products); +26 % to +27 % in 2 of 3 exposures (rate).",
    )


def test_without_measurements_nothing_is_said():
    """Files that are new, made by a jwmirror that did not measure, or as before."""
    results = Measured()
    results.add(name(1), {}, flagged(5))
    results.add(name(2), flagged(5), flagged(5))
    results.files.append(DifferingFile(kind="new", path=name(3), origin="deep", key="3"))

    assert results.effects == ()


def test_pixels_of_one_kind_of_file_are_summed_up():
    """The file that changed most is named if it differs from the median, and the largest pixel."""
    files = {
        name(number, "cal"): DrawnComparison(
            version=1,
            name="",
            kind="change",
            title="",
            fraction=0.25,
            typical=sigma,
            unit="sigma",
            largest=LargestDifference(value=value, unit="MJy/sr", place="x 3, y 4", median=105.4),
        )
        for number, sigma, value in ((1, 0.5, 172.0), (2, 0.75, -718.3))
    }

    (words,) = pixel_effects("recipe deep", tuple(files.items()))

    assert words == (
        "recipe deep, cal of exposures, 2 files compared: 25 % of the pixels or values changed, of "
        "those that both versions have; those that changed, by 0.62 sigma (median; most in "
        f"{name(2, 'cal')}: 0.75 sigma); largest difference \u2212718.3 MJy/sr, in "
        f"{name(2, 'cal')} at x 3, y 4; its median is 105.4 MJy/sr."
    )


def test_other_flags_are_those_of_the_pictures():
    """Flags that are measured on all results are not said twice."""
    flags = (
        FlagDifference(name="JUMP_DET", gained=0, lost=9),
        FlagDifference(name="UNRELIABLE_SLOPE", gained=1, lost=4),
    )
    files = [
        (
            name(number, "cal"),
            DrawnComparison(version=1, name="", kind="change", title="", fraction=0.1, flags=found),
        )
        for number, found in enumerate((flags, ()), start=1)
    ]

    assert pixel_effects("recipe deep", files)[0] == (
        "recipe deep, UNRELIABLE_SLOPE: 3 fewer pixels flagged in 1 of 2 compared files "
        "(cal of exposures)."
    )
    assert len(pixel_effects("recipe deep", files)) == 2
