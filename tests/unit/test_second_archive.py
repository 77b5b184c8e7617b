"""Whole runs on a second simulated archive, which shares no code with the first one.

After each run, the published bytes are those that the archive has.
"""

from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest
import yaml

from jwmirror.core.model import Entry, Selection
from jwmirror.net.token_socket import serve_token
from jwmirror.report.diagnosis import Check
from jwmirror.services.inspect.doctor.examination import examine
from jwmirror.services.inspect.status import mirror_status
from jwmirror.services.run.conclude import Conclusion
from jwmirror.store.generations import Generations
from jwmirror.store.objects import Objects
from tests.setup.runs import Runs
from tests.setup.second_archive import SecondArchive
from tests.setup.second_programs import (
    CUBE,
    IMAGE,
    IMAGE3,
    IMAGING,
    MOSAIC,
    MRS,
    SLICES,
    reprocess,
    restamp,
    two_programs,
)
from tests.setup.second_server import TOKEN, served

RATE, CAL, I2D = f"{IMAGE}_rate.fits", f"{IMAGE}_cal.fits", f"{MOSAIC}_i2d.fits"


@pytest.fixture
def archive(port) -> Iterator[SecondArchive]:
    """The second archive with its two programs, served."""
    with served(two_programs(), port) as archive:
        yield archive


@pytest.fixture
def runs(archive, tmp_path, process) -> Runs:
    """Runs on an empty mirror of both programs, whole."""
    selections = (Selection(program=IMAGING), Selection(program=MRS))
    return Runs(archive, tmp_path / "mirror", process, selections=selections)


def run(runs: Runs, number: int) -> tuple[Conclusion, set[str]]:
    """Carry out all rules; return the conclusion and the names of what was requested."""
    runs.archive.downloads.clear()
    _, _, conclusion = runs.run(number)
    return conclusion, {name for name, _ in runs.archive.downloads}


def entries(runs: Runs) -> dict[str, Entry]:
    """The rows of the newest generation, by file name."""
    return {entry.filename: entry for entry in Generations(runs.mirror).entries()}


def published(runs: Runs) -> dict[str, bytes]:
    """The bytes of the files of the newest generation, by name."""
    objects, rows = Objects(runs.mirror), entries(runs).values()
    return {entry.filename: objects.path(entry.sha256).read_bytes() for entry in rows}


def truth(archive: SecondArchive) -> dict[str, bytes]:
    """The bytes of the archive's files, by name."""
    return {name: file.data for name, file in archive.files.items()}


def test_an_unchanged_archive_is_mirrored_once(runs, archive):
    """The first run publishes every file of both instruments; the second requests none."""
    first, requested = run(runs, 1)
    state = published(runs)
    second, requested_again = run(runs, 2)

    assert (first.error, first.doubtful, first.failures) == ("", (), ())
    assert state == truth(archive) and requested == set(archive.files)
    assert (second.error, requested_again) == ("", set())
    assert "generation 1 is unchanged" in second.summary


def test_a_reprocessed_association_is_published_when_all_of_it_is_there(runs, archive):
    """Names, sizes and CAL_VER are the same; raw and rate files have neither row nor ETag."""
    run(runs, 1)
    before = published(runs)
    exposure = {f"{SLICES}_{suffix}.fits" for suffix in ("uncal", "rate", "cal")}
    reprocess(archive, *exposure, f"{CUBE}_s3d.fits")

    half, requested = run(runs, 2)
    state = published(runs)
    reprocess(archive, f"{CUBE}_x1d.fits")
    whole, requested_then = run(runs, 3)
    _, requested_again = run(runs, 4)

    assert (half.error, state, requested) == ("", before, {*exposure, f"{CUBE}_s3d.fits"})
    assert (whole.error, requested_then) == ("", {f"{CUBE}_x1d.fits"})
    assert published(runs) == truth(archive) and requested_again == set()


def test_an_association_with_a_new_stamp_replaces_the_former_one(runs, archive):
    """It is the only file that is requested."""
    run(runs, 1)
    stamped = IMAGE3.replace("20230331t102920", "20260722t213358").replace("00009", "00001")
    restamp(archive, IMAGE3, stamped)

    conclusion, requested = run(runs, 2)

    assert (conclusion.error, requested) == ("", {stamped})
    assert published(runs) == truth(archive)


def test_a_file_that_becomes_exclusive_stays(runs, archive):
    """Also its bytes, and nothing is requested: there is no token. With one, it is as before."""
    run(runs, 1)
    archive.files[I2D].is_exclusive = True

    conclusion, requested = run(runs, 2)
    reprocess(archive, I2D, f"{MOSAIC}_segm.fits")
    without, _ = run(runs, 3)
    kept = published(runs)[I2D]
    runs.token_socket = serve_token(TOKEN)
    with_token, _ = run(runs, 4)

    assert (conclusion.error, requested) == ("", set())
    assert without.error == "" and kept != archive.files[I2D].data
    assert with_token.error == "" and published(runs) == truth(archive)


def test_exclusive_files_are_withheld_until_there_is_a_token(runs, archive):
    """The run without one succeeds, and status says what is missing."""
    exclusive = {name for name in archive.files if name.startswith((IMAGE, f"{MOSAIC}_"))}
    for name in exclusive:
        archive.files[name].is_exclusive = True

    without, _ = run(runs, 1)
    state = published(runs)
    withheld = {change.file for change in mirror_status(runs.mirror, None).changes}
    runs.token_socket = serve_token(TOKEN)
    with_token, requested = run(runs, 2)

    assert without.error == "" and truth(archive).keys() - state.keys() == exclusive
    assert exclusive <= withheld
    assert (with_token.error, requested) == ("", exclusive)
    assert published(runs) == truth(archive)


@pytest.mark.parametrize("is_replaced", [False, True])
def test_a_download_that_is_cut_is_of_one_version(runs, archive, is_replaced):
    """Also if the file, of which no checksum is listed, is replaced before it is resumed."""
    archive.cuts[RATE] = 1_300_000
    if is_replaced:
        archive.after_cut = lambda: reprocess(archive, RATE)

    conclusion, _ = run(runs, 1)

    assert conclusion.error == ""
    assert published(runs) == truth(archive)


def test_checksums_that_are_no_md5_of_the_bytes_need_a_word_in_the_config(runs, archive):
    """Without it, such files are refused by name; with it, all changes are found as before."""
    archive.is_md5 = False
    with_row = {name for name, file in archive.files.items() if file.row}

    refused, _ = run(runs, 1)
    without = published(runs)
    runs.accept_refused = ("*",)
    accepted, _ = run(runs, 2)
    state = published(runs)
    unchanged, requested = run(runs, 3)
    reprocess(archive, CAL)
    run(runs, 4)

    assert {failure.name for failure in refused.failures} == with_row
    assert truth(archive).keys() - without.keys() == with_row
    assert accepted.error == "" and state.keys() == truth(archive).keys()
    assert (unchanged.error, requested) == ("", set())
    assert published(runs) == truth(archive)


def test_doctor_says_what_this_archive_is_like(archive, tmp_path, process):
    """Nothing fails; without an ETag, downloads do not continue although Range is honoured."""
    checks = examined(archive, tmp_path, process)

    warnings = {check.subject: check.found for check in checks if check.outcome != "ok"}
    assert warnings.keys() == {"rows of 1538", "rows of 1039", "ranges", "ETags"}
    assert "uncal: 0 of 1 have a checksum" in warnings["rows of 1039"]
    assert warnings["ranges"].startswith("honoured, but without a strong ETag")
    assert warnings["ETags"] == "the server sends none"


def test_doctor_names_the_word_in_the_config_if_checksums_are_no_md5(archive, tmp_path, process):
    """The failure is the only one."""
    archive.is_md5 = False

    checks = examined(archive, tmp_path, process)

    (failure,) = [check for check in checks if check.outcome == "fail"]
    assert (failure.subject, "downloaded twice: MD5" in failure.found) == ("download", True)
    assert "archive.accept_refused: ['*']" in failure.step


def examined(
    archive: SecondArchive, folder: Path, process: ProcessPoolExecutor
) -> tuple[Check, ...]:
    """What `jwmirror doctor` finds for a new mirror of both programs."""
    content = {
        "mirror": str(folder / "mirror"),
        "archive": {"url": archive.url},
        "references": {"cache": str(folder / "cache")},
        "programs": [{"program": IMAGING}, {"program": MRS}],
    }
    config = folder / "config.yaml"
    config.write_text(yaml.safe_dump(content))
    return process.submit(examine, config).result(timeout=120).checks
