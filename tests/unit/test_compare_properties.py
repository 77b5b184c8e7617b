"""Verdicts and figures of a comparison, compared with astropy's FITSDiff and numpy."""

import warnings
from contextlib import contextmanager

import numpy as np
import pytest
from astropy.io import fits
from astropy.io.fits.diff import FITSDiff
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from jwmirror.compare.versions import compare_files
from jwmirror.core.fits import VOLATILE
from jwmirror.core.model.comparison import EQUAL, IDENTICAL, PIXELS, VALUES
from jwmirror.pipeline.identity import science_identity

CASES = settings(
    max_examples=40,
    deadline=None,
    derandomize=True,  # a pair that fails, fails in each run
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
FLOATS = (0.0, -0.0, 1.0, -2.5, 3e38, float("inf"), float("-inf"), float("nan"))
TYPES = ("u1", "i2", "u2", "i4", "u4", "i8", "u8", "f4", "f8")
COLUMNS = ("L", "B", "I", "J", "K", "E", "D", "8A", "3E", "2J", "PE()", "C")
COMPLEX = (0j, 1 + 2j, complex("nan"))


def scalars(kind: str):
    """Return a strategy for single values of a numpy type, with its limits and special values."""
    dtype = np.dtype(kind)
    if dtype.kind == "f":
        return some.sampled_from(FLOATS)
    limits = np.iinfo(dtype)
    return some.sampled_from((0, 1, 5, int(limits.min), int(limits.max)))


@some.composite
def image_pairs(draw):
    """Two images of one name; some pixels, the type, the shape or the scale may differ."""
    kind = draw(some.sampled_from(TYPES))
    shape = tuple(draw(some.lists(some.integers(1, 4), min_size=1, max_size=3)))
    old = np.full(shape, draw(scalars(kind)), kind)
    new = old.copy()
    for _ in range(draw(some.integers(0, 3))):
        place = tuple(draw(some.integers(0, length - 1)) for length in shape)
        new[place] = draw(scalars(kind))
    change = draw(some.sampled_from(("none", "none", "none", "shape", "type", "BSCALE", "BZERO")))
    if change == "shape":
        new = np.concatenate([new, new])
    if change == "type":
        with warnings.catch_warnings(action="ignore"):
            new = new.astype(draw(some.sampled_from(TYPES)))
    name = draw(some.sampled_from(("SCI", "ERR", "DQ", "WHT")))
    return name, old, new, change if change in ("BSCALE", "BZERO") else ""


def cells(kind: str):
    """Return a strategy for one cell of a table's column."""
    plain = {
        "L": some.booleans(),
        "8A": some.sampled_from(("", "a", "a b", "abcdefgh")),
        "C": some.sampled_from(COMPLEX),
        "3E": some.tuples(*[some.sampled_from(FLOATS)] * 3),
        "2J": some.tuples(*[scalars("i4")] * 2),
        "PE()": some.lists(some.sampled_from(FLOATS), max_size=3).map(tuple),
    }
    numbers = {"B": "u1", "I": "i2", "J": "i4", "K": "i8", "E": "f4", "D": "f8"}
    return plain[kind] if kind in plain else scalars(numbers[kind])


@some.composite
def column_pairs(draw):
    """Two columns with as many rows; some cells may differ."""
    kind = draw(some.sampled_from(COLUMNS))
    old = draw(some.lists(cells(kind), min_size=1, max_size=4))
    new = [draw(some.one_of(some.just(cell), cells(kind))) for cell in old]
    return kind, old, new


@contextmanager
def quiet():
    """Ignore the warnings of casts and of astropy about special values."""
    with warnings.catch_warnings(action="ignore"), np.errstate(all="ignore"):
        yield


def write_image(path, name, pixels, scaled=""):
    """Write one image extension; `scaled` adds a card that changes the meaning of the pixels."""
    fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(pixels, name=name)]).writeto(path)
    if scaled:
        with fits.open(path, mode="update", do_not_scale_image_data=True) as hdus:
            hdus[1].header[scaled] = 2.0 + hdus[1].header.get(scaled, 0)
    return path


def write_table(path, columns):
    """Write one table extension."""
    columns = [
        fits.Column(f"c{number}", kind, array=as_array(kind, values))
        for number, (kind, values) in enumerate(columns)
    ]
    hdus = [fits.PrimaryHDU(), fits.BinTableHDU.from_columns(columns, name="DATA")]
    fits.HDUList(hdus).writeto(path)
    return path


def as_array(kind, values):
    """Return a column's values as astropy wants them; cells of variable length as arrays."""
    if kind != "PE()":
        return np.array(values, "c8" if kind == "C" else None)
    array = np.empty(len(values), object)
    array[:] = [np.array(value, "f4") for value in values]
    return array


def fits_diff(old, new):
    """Return astropy's comparison of two files, without volatile cards and comments."""
    return FITSDiff(str(old), str(new), ignore_keywords=list(VOLATILE), ignore_comments=["*"])


def pixels_of(path):
    """Return the pixels of the first extension as astropy scales them."""
    return fits.getdata(path, 1)


@pytest.fixture
def folder(tmp_path_factory):
    """Return a function that gives a new folder for each example."""
    return lambda: tmp_path_factory.mktemp("pair")


@CASES
@given(pair=image_pairs())
def test_images_are_compared_as_by_astropy_and_numpy(folder, pair):
    """Verdict and count of changed pixels are FITSDiff's, NaN and differences are numpy's.

    To FITSDiff, inf equals -inf, and the smallest integer of a type equals 0, because it subtracts
    them; there numpy alone counts.
    """
    name, old_pixels, new_pixels, scaled = pair
    place = folder()
    with quiet():
        old = write_image(place / "old.fits", name, old_pixels)
        new = write_image(place / "new.fits", name, new_pixels, scaled)
        old_pixels, new_pixels = pixels_of(old), pixels_of(new)
        comparison = compare_files(old, new)
        expected = fits_diff(old, new)

    is_extreme = has_extremes(old_pixels) or has_extremes(new_pixels)
    if expected.identical and not is_extreme:
        assert comparison.verdict in (IDENTICAL, EQUAL)
        return
    if not comparison.images:  # another scale of pixels that are zero
        np.testing.assert_array_equal(old_pixels, new_pixels)
        return
    (image,) = comparison.images
    assert comparison.verdict == PIXELS
    assert (image.old_shape, image.new_shape) == (old_pixels.shape, new_pixels.shape)
    if image.old_shape == image.new_shape:
        changes = image.changed + image.gained + image.lost
        assert changes == count_changes(old_pixels, new_pixels)
        if not (expected.identical or scaled or is_extreme):
            assert changes == expected.diff_hdus[0][1].diff_data.diff_total
        check_figures(image, old_pixels, new_pixels)


def has_extremes(pixels):
    """Return whether there are infinities, or integers whose negative their type does not have."""
    if pixels.dtype.kind == "f":
        return bool(np.isinf(pixels).any())
    return pixels.dtype.kind == "i" and bool((pixels == np.iinfo(pixels.dtype).min).any())


def count_changes(old, new):
    """Return how many pixels differ; NaN equals NaN."""
    both_nan = np.array([a != a and b != b for a, b in zip(old.flat, new.flat, strict=True)])
    return int(np.count_nonzero((old.ravel() != new.ravel()) & ~both_nan))


def check_figures(image, old, new):
    """Compare the counts of NaN and the largest difference with numpy's and Python's."""
    if image.spread is None:
        return
    deltas = [
        b - a if isinstance(a, int) and isinstance(b, int) else float(b) - float(a)
        for a, b in zip(old.ravel().tolist(), new.ravel().tolist(), strict=True)
    ]
    finite = [float(delta) for delta in deltas if np.isfinite(float(delta))]
    assert image.old_nan == np.count_nonzero(old != old)
    assert image.new_nan == np.count_nonzero(new != new)
    assert image.pixels == np.count_nonzero((old == old) & (new == new))
    assert image.gained - image.lost == image.old_nan - image.new_nan
    assert abs(image.spread.largest) == pytest.approx(max(map(abs, finite)))
    if image.spread.place:
        index = tuple(reversed(image.spread.place))
        with quiet():
            expected = float(new[index]) - float(old[index])
        assert image.spread.largest == pytest.approx(expected)
    else:
        assert image.spread.largest == 0
    assert image.spread.median == pytest.approx(np.median(finite))


@CASES
@given(pairs=some.lists(column_pairs(), min_size=1, max_size=3), rows=some.integers(1, 4))
def test_tables_are_compared_as_by_numpy_and_python(folder, pairs, rows):
    """The rows that differ are those whose cells differ; NaN equals NaN."""
    place = folder()
    rows = min(rows, *(len(old) for _, old, _ in pairs))
    with quiet():
        old = write_table(place / "old.fits", [(kind, old[:rows]) for kind, old, _ in pairs])
        new = write_table(place / "new.fits", [(kind, new[:rows]) for kind, _, new in pairs])
        comparison = compare_files(old, new)

    expected = {
        f"c{number}": differing
        for number, (_, old_cells, new_cells) in enumerate(pairs)
        if (differing := count_rows(old_cells[:rows], new_cells[:rows]))
    }
    columns = comparison.tables[0].columns if comparison.tables else ()
    assert {column.name: column.differing for column in columns} == expected
    assert (comparison.verdict == VALUES) == bool(expected)


def count_rows(old, new):
    """Return in how many rows two lists of cells differ."""
    return sum(
        len(np.atleast_1d(a)) != len(np.atleast_1d(b))
        or any(
            x != y and not (x != x and y != y)
            for x, y in zip(np.atleast_1d(a), np.atleast_1d(b), strict=True)
        )
        for a, b in zip(old, new, strict=True)
    )


CARDS = some.dictionaries(
    some.sampled_from(("FILTER", "NGROUPS", "DATE", "CAL_VER", "R_FLAT", "S_JUMP")),
    some.sampled_from((1, 1.0, True, "1", "T", "", 2.5, None, "F200W")),
)


@CASES
@given(old_cards=CARDS, new_cards=CARDS, order=some.permutations(("SCI", "DQ", "EXTRA")))
def test_headers_are_compared_as_by_astropy_and_as_keys_do(folder, old_cards, new_cards, order):
    """Equal content is what FITSDiff finds identical, and what has one science identity."""
    place, paths = folder(), []
    for name, cards, names in (("old", old_cards, ("SCI", "DQ")), ("new", new_cards, order[:2])):
        hdus = [fits.PrimaryHDU(), *(fits.ImageHDU(np.zeros(3), name=each) for each in names)]
        hdus[0].header.update(cards)
        paths.append(place / f"{name}.fits")
        fits.HDUList(hdus).writeto(paths[-1])

    comparison = compare_files(*paths)

    is_equal = comparison.verdict in (IDENTICAL, EQUAL)
    assert is_equal == (science_identity(paths[0]) == science_identity(paths[1]))
    if is_equal and len(old_cards) == len(new_cards):  # FITSDiff counts the cards it ignores
        assert fits_diff(*paths).identical
