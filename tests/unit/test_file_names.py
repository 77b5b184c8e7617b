"""Files by the names that users give."""

from pathlib import Path

from jwmirror.services.inspect.file_names import matching_paths, no_such_file

PATHS = ["upstream/jw01345/o001/a_cal.fits", "recalibrated/deep/jw01345/o001/a_cal.fits"]


def test_a_file_name_matches_in_every_folder():
    """A name matches all files of that name, and no file whose name only ends in it."""
    assert matching_paths("a_cal.fits", PATHS) == tuple(PATHS)
    assert matching_paths("cal.fits", PATHS) == ()


def test_a_path_matches_one_file():
    """A path may begin in the view, or outside of the mirror."""
    for path in (PATHS[0], f"./{PATHS[0]}", f"m/current/{PATHS[0]}"):
        assert matching_paths(path, PATHS) == (PATHS[0],)


def test_similar_names_are_suggested():
    """The error says where the file was looked for, and which names are similar."""
    mirror = Path("/m")
    assert str(no_such_file(mirror, "a_cals.fits", "not here", PATHS)) == (
        "mirror /m: a_cals.fits: not here; did you mean a_cal.fits?"
    )
    assert "see the list" in str(no_such_file(mirror, "xyz", "not here", PATHS, "see the list"))
