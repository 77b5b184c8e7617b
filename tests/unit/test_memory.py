"""Memory: what is estimated of stages and jobs, and who waits for room."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from jwmirror.core.model import Chain, Derivation, Input, canonical
from jwmirror.engine.memory_pool import MemoryPool
from jwmirror.planning.estimates import memory
from tests.setup import records

GB = 10**9
MEASURED = [  # pipeline, pixels on a side, groups, integrations, inputs, peak in MB
    ("detector1", 160, 5, 1, 1, 240),
    ("detector1", 160, 10, 40, 1, 773),
    ("detector1", 2048, 5, 1, 1, 1696),
    ("detector1", 2048, 10, 1, 1, 2791),
    ("detector1", 2048, 5, 4, 1, 4712),
    ("image2", 2048, 5, 1, 1, 1067),
    ("image3", 2048, 5, 1, 2, 1318),
]


def stage(pipeline: str = "detector1", inputs: int = 1, suffix: str = "uncal") -> Derivation:
    """A derivation of so many inputs."""
    items = tuple(Input(name=f"jw{n}_{suffix}.fits", role="science") for n in range(inputs))
    return records.derivation(pipeline, inputs=items)


def header(size=2048, groups=10, integrations=1, **more):
    """A header of an exposure of that size."""
    values = {"subarray.xsize": size, "subarray.ysize": size}
    values |= {"exposure.ngroups": groups, "exposure.nints": integrations, **more}
    return canonical({f"meta.{name}": value for name, value in values.items()})


def chain_of_size(product: str, size: int) -> Chain:
    """A chain that takes so many bytes."""
    return records.chain(records.derivation(product=product), memory=size)


@pytest.mark.parametrize(("pipeline", "size", "groups", "ints", "inputs", "peak"), MEASURED)
def test_measured_peaks_are_foreseen(pipeline, size, groups, ints, inputs, peak):
    """By a tenth too little at most, and not by more than half too much."""
    found = memory.stage_bytes(stage(pipeline, inputs), header(size, groups, ints)) / 1e6

    assert 0.9 * peak <= found <= 1.5 * peak


@pytest.mark.parametrize(("dark", "peak"), [(855.7, 1371.5), (1694.5, 2420.0)])
def test_a_large_dark_counts_where_groups_are_few(dark, peak):
    """Measured with two groups of a full frame (MB); beside many groups it goes under."""
    found = memory.stage_bytes(stage(), header(groups=2), round(dark * 1e6)) / 1e6

    assert 0.9 * peak <= found <= 1.5 * peak
    assert memory.stage_bytes(stage(), header(), round(dark * 1e6)) == memory.stage_bytes(
        stage(), header()
    )


PIXELS = 100 * 100
EXACT = [  # pipeline, groups, integrations, inputs, suffix, largest reference; bytes per pixel
    ("detector1", 5, 1, 1, "uncal", 0, 80 + 54 * 5),
    ("detector1", 5, 3, 1, "uncal", 0, 80 + 3 * 54 * 5),
    ("detector1", 11, 1, 1, "uncal", 0, 80 + 54 * 11),
    ("detector1", 20, 1, 1, "uncal", 0, 80 + 54 * 11),
    ("detector1", 40, 2, 1, "uncal", 0, 80 + 2 * 22 * 40),
    ("detector1", 2, 2, 1, "uncal", 10_000_000, 8 + 5 * 2 * 2 + 1250),
    ("image2", 5, 7, 1, "rate", 0, 210),
    ("image2", 5, 7, 1, "rateints", 0, 210 * 7),
    ("spec2", 5, 7, 3, "rate", 0, 210 * 3),
    ("image2", 5, 7, 1, "rate", 10_000_000, 1250),
    ("image3", 5, 7, 4, "cal", 0, 210 + 50 * 4),
    ("tso3", 5, 7, 2, "calints", 0, 210 + 50 * 2 * 7),
    ("coron3", 5, 7, 2, "crfints", 0, 210 + 50 * 2 * 7),
]


@pytest.mark.parametrize(
    ("pipeline", "groups", "ints", "inputs", "suffix", "largest", "of_pixel"), EXACT
)
def test_an_estimate_has_these_parts(pipeline, groups, ints, inputs, suffix, largest, of_pixel):
    """Any stage has 300 MB; the rest is by pixel, or by the largest reference if that is more."""
    said = header(100, groups, ints)

    found = memory.stage_bytes(stage(pipeline, inputs, suffix), said, largest)

    assert found == 300_000_000 + PIXELS * of_pixel


@pytest.mark.parametrize(
    ("values", "pixels"),
    [
        ({}, 2048 * 2048),
        ({"meta.subarray.xsize": 10}, 10 * 2048),
        ({"meta.subarray.ysize": 10}, 2048 * 10),
        ({"meta.exposure.readpatt": "nrsirs2"}, 2048 * 3200),
    ],
)
def test_pixels_that_the_header_does_not_say_are_those_of_a_full_frame(values, pixels):
    """One group and one integration, if it does not say those."""
    found = memory.stage_bytes(stage(), canonical(values))

    assert found == 300_000_000 + pixels * (80 + 54)


def test_integrations_count_if_any_input_has_them():
    """A background of another kind changes nothing; they count for each input."""
    names = ("a_rateints.fits", "b_rate.fits")
    mixed = records.derivation("spec2", inputs=tuple(map(records.science, names)))

    assert memory.stage_bytes(mixed, header(100, 5, 7)) == 300_000_000 + PIXELS * 210 * 2 * 7


@pytest.mark.parametrize(
    ("pipeline", "mode", "inputs", "least", "most"),
    [
        ("spec2", "MIR_MRS", 1, 1.0, 2.5),
        ("spec3", "MIR_MRS", 24, 3.0, 8.0),
        ("spec2", "NRS_IFU", 1, 2.0, 5.0),
        ("spec3", "NRS_IFU", 8, 4.0, 10.0),
        ("spec2", "NRS_MSASPEC", 3, 4.0, 10.0),
        ("spec3", "NRS_MSASPEC", 12, 10.0, 24.0),
        ("spec2", "NRC_WFSS", 1, 3.0, 8.0),
    ],
)
def test_cubes_and_many_spectra_need_more_than_images(pipeline, mode, inputs, least, most):
    """In GB, of a full frame of the mode's detectors; a prior, which no measurement supports."""
    size = (1032, 1024) if mode == "MIR_MRS" else (2048, 2048)
    said = {"subarray.xsize": size[0], "subarray.ysize": size[1]}
    headers = [header(groups=1, **said, **{"exposure.type": each}) for each in (mode, "MIR_IMAGE")]

    spectra, image = (memory.stage_bytes(stage(pipeline, inputs, "cal"), each) for each in headers)

    assert least * GB <= spectra <= most * GB
    assert spectra > 1.3 * image


@pytest.mark.parametrize("end", ["start", "end"])
def test_half_of_a_segment_says_nothing(end):
    """Then the integrations are those of the exposure."""
    half = header(100, 5, 3, **{f"exposure.integration_{end}": 2})

    assert memory.stage_bytes(stage(), half) == memory.stage_bytes(stage(), header(100, 5, 3))


def test_stages_use_what_a_job_has_beside_its_script():
    """Nothing if there is less."""
    assert memory.stage_budget(memory.JOB + 5) == 5
    assert memory.stage_budget(memory.JOB - 5) == 0
    assert memory.job_bytes([chain_of_size("a", 0)], 1) == memory.JOB
    assert memory.job_bytes([chain_of_size("a", 7), chain_of_size("b", 5)], 0) == memory.JOB + 7


def test_a_segment_counts_its_own_integrations():
    """Long series are cut into files: each holds a part."""
    whole = header(integrations=8)
    part = header(
        integrations=8, **{"exposure.integration_start": 3, "exposure.integration_end": 4}
    )

    assert memory.stage_bytes(stage(), part) == memory.stage_bytes(stage(), header(integrations=2))
    assert memory.stage_bytes(stage(), part) < memory.stage_bytes(stage(), whole)


def test_integrations_count_in_stage_2_where_they_are_kept():
    """A calints has them all, a cal is one image."""
    said = header(integrations=10)
    mean, each = (memory.stage_bytes(stage("image2", 1, s), said) for s in ("rate", "rateints"))

    assert each > 4 * mean


def test_an_unread_header_stands_for_a_full_frame():
    """What is not known is not taken for small."""
    assert memory.stage_bytes(stage(), "") >= memory.stage_bytes(stage(), header(groups=1))


def test_interleaved_reference_pixels_count():
    """IRS2 frames have more rows than the header says."""
    irs2 = header(**{"exposure.readpatt": "NRSIRS2RAPID"})

    assert memory.stage_bytes(stage(), irs2) > 1.4 * memory.stage_bytes(stage(), header())


def test_a_job_asks_for_as_many_exposures_as_run_side_by_side():
    """For the largest of them, once for an exposure of two recipes, up to the limit."""
    sizes = (("a", 3 * GB), ("a", 2 * GB), ("b", GB), ("c", 2 * GB))
    chains = [chain_of_size(*each) for each in sizes]

    assert memory.job_bytes(chains, 2) == memory.JOB + 5 * GB
    assert memory.job_bytes(chains, 2, most=4 * GB) == 4 * GB
    assert memory.job_bytes(chains, 8, most=GB) == memory.JOB + 3 * GB


def test_who_finds_no_room_waits():
    """Until others have given back; one that is larger than all the room has it alone."""
    room, go, order = MemoryPool(10), threading.Event(), []
    within = {6: threading.Event(), 30: threading.Event()}

    def take(amount):
        with room.reserve(amount):
            order.append(f"{amount} in")
            within[amount].set()
            assert go.wait(10)
            order.append(f"{amount} out")

    with ThreadPoolExecutor() as pool:
        first = pool.submit(take, 6)
        assert within[6].wait(10)
        second = pool.submit(take, 30)
        assert not within[30].wait(0.2)
        go.set()
        first.result(10), second.result(10)

    assert order == ["6 in", "6 out", "30 in", "30 out"]
