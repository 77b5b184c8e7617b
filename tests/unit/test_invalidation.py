"""What re-runs after each kind of change: just what depends on it; and nothing on the way back.

Parameters, references and keys are the real ones (stpipe, CRDS on a context on disk). Only the
pixels are not: a result's science identity is what its derivation says, as that of a real one is.
"""

import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import asdf
import pytest
from astropy.io import fits

from jwmirror.core.model import Derivation, Entry, Recipe, Result, ResultFile, Where, digest
from jwmirror.core.model.association import Associations
from jwmirror.core.model.plan import JobLimits
from jwmirror.pipeline import derivation as derivations
from jwmirror.pipeline.crds_rules import crds_environment
from jwmirror.pipeline.derivation import bind, key_of
from jwmirror.planning.builder import PlanBuilder
from jwmirror.planning.inputs import available_files
from jwmirror.planning.levels import AssociationLevel
from jwmirror.planning.plan import plan_associations, plan_exposures
from jwmirror.planning.resolvers import local as references
from jwmirror.planning.resolvers.by_environment import resolvers_of
from jwmirror.planning.resolvers.local import LocalResolver
from jwmirror_simulator.crds.context import (
    add_context,
    build_context,
    newest_context,
    replace_reference,
)
from jwmirror_simulator.telescope.exposures import take_exposure
from jwmirror_simulator.telescope.program import demo_program, exposures_of
from tests.setup.calibration import exposure_row
from tests.setup.plans import association
from tests.setup.records import result

DEEP = Recipe(name="deep", programs=(1345,))
MOSAIC = "jw01345-o001_t001_nircam_clear-f200w-sub160"
SUFFIX = {"detector1": "rate", "image2": "cal", "image3": "i2d"}
INDIFFERENT = "jump.min_sat_area"  # a parameter that leaves no trace in the pixels of this lab
ALL = {"detector1": 4, "image2": 4, "image3": 1}
FROM_STAGE_2 = {"image2": 4, "image3": 1}
ONE_DETECTOR = {"detector1": 2, "image2": 2, "image3": 1}


@dataclass
class Lab:
    """Two exposures of each of two detectors, what is made of them, and what is asked."""

    cache: Path
    raw: Path  # folder of the exposures' files
    entries: list[Entry]
    recipe: Recipe = DEEP
    mosaic: tuple[str, ...] = ()  # members; the exposures in order, if empty
    results: dict[str, tuple[ResultFile, ...]] = field(default_factory=dict)

    def roots(self) -> list[str]:
        """The roots of the exposures."""
        return [entry.filename.removesuffix("_uncal.fits") for entry in self.entries]

    def associations(self) -> Associations:
        """An image2 for each exposure and an image3 of all."""
        alone = [association("image2", root, f"{root}_rate.fits") for root in self.roots()]
        members = self.mosaic or tuple(f"{root}_cal.fits" for root in self.roots())
        return Associations(found=(*alone, association("image3", MOSAIC, *members)))

    def run(self) -> dict[str, int]:
        """Plan and make all that is out of date; how many results of each pipeline were made."""
        context = newest_context(self.cache)
        resolvers = resolvers_of(self.cache, context)
        lookups = (resolvers, self.results.get, lambda *_: None)
        made: Counter[str] = Counter()
        builder = PlanBuilder(available_files(self.entries), *lookups)
        plan_exposures(builder, self.associations(), [self.recipe])
        first = builder.build(JobLimits(exposures=16))
        assert not first.failures, first.failures
        results = [*first.done, *self._made(first, made)]
        builder = PlanBuilder(available_files(self.entries, results), *lookups)
        plan_associations(builder, self.associations(), [self.recipe], AssociationLevel(3))
        third = builder.build(JobLimits(exposures=16))
        assert not (third.failures or third.waits), (third.failures, third.waits)
        list(self._made(third, made))
        return dict(made)

    def _made(self, plan, made: Counter) -> Iterator[Result]:
        for chain in plan.chains:
            files: tuple[ResultFile, ...] = ()
            for each in chain.derivations:
                bound = bind(each, files)
                key = key_of(bound)
                if key not in self.results:
                    made[bound.pipeline] += 1
                    self.results[key] = (self._product(bound),)
                files = self.results[key]
                yield result(bound.pipeline, bound.product, *files, key=key)

    def _product(self, made: Derivation) -> ResultFile:
        """The file of a result; what it was made from is its science."""
        parameters = {
            step: {k: v for k, v in values.items() if f"{step}.{k}" != INDIFFERENT}
            for step, values in made.parameters["steps"].items()
        }
        inputs = [item.identity for item in made.inputs]
        science = digest([inputs, parameters, made.references, made.hooks, made.engine])
        name = f"{made.product}_{SUFFIX[made.pipeline]}.fits"
        return ResultFile(filename=name, sha256=science, size=1, identity=science)

    def set(self, pipeline: str, step: str, **parameters) -> None:
        """Change parameters of the recipe."""
        self.recipe = replace(self.recipe, parameters={pipeline: {step: parameters}})


@pytest.fixture(scope="module")
def observed(tmp_path_factory) -> Lab:
    """A context for two detectors, and the headers of four exposures; made once."""
    root = tmp_path_factory.mktemp("lab")
    build_context(root / "crds", detectors=("NRCB1", "NRCA1"), filters=("F200W",), fgs=False)
    program = demo_program()
    chosen = [each for each in exposures_of(program) if "F200W" in str(each)]
    ours = [
        each
        for detector in ("nrcb1", "nrca1")
        for each in [e for e in chosen if detector in e.filename][:2]
    ]
    uncals = [take_exposure(program, exposure, root / "raw") for exposure in ours]
    return Lab(
        cache=root / "crds", raw=root / "raw", entries=[exposure_row(path) for path in uncals]
    )


@pytest.fixture
def lab(observed, tmp_path, monkeypatch) -> Lab:
    """The same with a cache of its own, after its first run."""
    cache = tmp_path / "crds"
    shutil.copytree(observed.cache, cache)
    for name, value in crds_environment(cache, "jwst_0001.pmap").items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    lab = replace(observed, cache=cache, entries=list(observed.entries), results={})
    assert lab.run() == ALL
    return lab


# ---- the changes: what is done, and how it is taken back -------------------------------------

Change = Callable[[Lab, pytest.MonkeyPatch], None]


def parameter_of_stage_1(lab, _):
    """Another threshold for jumps."""
    lab.set("detector1", "jump", rejection_threshold=6.5)


def parameter_without_effect(lab, _):
    """One that changes no pixel: the rates are the same science, and the calculation ends there."""
    lab.set("detector1", "jump", min_sat_area=2.0)


def parameter_of_stage_2(lab, _):
    """Another sampling of the resampled exposure."""
    lab.set("image2", "resample", pixfrac=0.8)


def parameter_of_stage_3(lab, _):
    """Another threshold for sources."""
    lab.set("image3", "source_catalog", snr_threshold=12.0)


def where_block(lab, _):
    """Something for one detector only."""
    block = Where(
        match={"detector": "NRCB1"}, parameters={"detector1": {"jump": {"rejection_threshold": 7}}}
    )
    lab.recipe = replace(lab.recipe, where=(block,))


def pars_reference(lab, _):
    """CRDS delivers other parameters for the jump step."""
    folder = lab.cache / "references" / "jwst" / "nircam"
    (old,) = [path.name for path in folder.glob("jwst_nircam_pars-jumpstep_*.asdf")]
    with asdf.open(folder / old) as file:
        tree = {**file.tree, "parameters": {**file["parameters"], "rejection_threshold": 5.5}}
    asdf.AsdfFile(tree).write_to(folder / "jwst_nircam_pars-jumpstep_0002.asdf")
    replace_reference(lab.cache, "pars-jumpstep", old, "jwst_nircam_pars-jumpstep_0002.asdf")


def pixel_reference_of_one_detector(lab, _):
    """CRDS delivers a flat of NRCB1."""
    add_context(lab.cache, detector="NRCB1", filter_name="F200W", subarray="SUB160")


def reference_of_equal_bytes(lab, _):
    """CRDS delivers the superbias of NRCA1 again, under a new name, which headers will tell."""
    folder = lab.cache / "references" / "jwst" / "nircam"
    header = next(e.header for e in lab.entries if "nrca1" in e.filename)
    settled = LocalResolver(lab.cache, newest_context(lab.cache)).resolve(
        "detector1", header, {"steps": {}}
    )
    old = settled.references["superbias"][0]
    shutil.copy(folder / old, folder / "jwst_nircam_superbias_0099.fits")
    replace_reference(lab.cache, "superbias", old, "jwst_nircam_superbias_0099.fits")


def context_without_effect(lab, _):
    """A new context that differs in what these exposures do not use."""
    folder = lab.cache / "references" / "jwst" / "nircam"
    old = max(path.name for path in folder.glob("jwst_nircam_pars-detector1pipeline_*.asdf"))
    shutil.copy(folder / old, folder / "jwst_nircam_pars-detector1pipeline_0099.asdf")
    new = "jwst_nircam_pars-detector1pipeline_0099.asdf"  # for time series
    replace_reference(lab.cache, "pars-detector1pipeline", old, new)


def jwst_version(_, patch):
    """Another release of the pipeline."""
    patch.setattr(
        references, "engine_versions", lambda: {**derivations.engine_versions(), "jwst": "9.9.9"}
    )


def hook_source(lab, _):
    """The user edits a hook of the flat-field step."""
    Path("fixes.py").write_text("def scale(model):\n    return model\n")
    lab.set("image2", "flat_field", post_hooks=["fixes.scale"])


def issue_again(lab: Lab, change: Callable[[fits.HDUList], None], count: int = 4) -> None:
    """MAST issues the first exposures again, with what `change` makes of their files."""
    Path("again").mkdir()
    for place, entry in enumerate(lab.entries[:count]):
        with fits.open(lab.raw / entry.filename) as hdus:
            change(hdus)
            hdus.writeto(Path("again") / entry.filename)
        new = exposure_row(Path("again") / entry.filename)
        assert new.sha256 != entry.sha256
        lab.entries[place] = new


def input_with_another_date(lab, _):
    """Written anew: other bytes, the same science."""
    issue_again(lab, lambda hdus: hdus[0].header.set("DATE", "2031-01-01T00:00:00.000"))


def input_with_another_header(lab, _):
    """One raw exposure is said to be of another place in the sky."""
    issue_again(lab, lambda hdus: hdus[0].header.set("TARG_RA", 83.25), count=1)


def input_with_other_pixels(lab, _):
    """One raw exposure has one other pixel."""

    def change(hdus: fits.HDUList) -> None:
        hdus["SCI"].data[0, 0, 5, 5] += 1

    issue_again(lab, change, count=1)


def member_order(lab, _):
    """The association lists its members the other way round."""
    lab.mosaic = tuple(f"{root}_cal.fits" for root in reversed(lab.roots()))


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (parameter_of_stage_1, ALL),
        (parameter_without_effect, {"detector1": 4}),
        (parameter_of_stage_2, FROM_STAGE_2),
        (parameter_of_stage_3, {"image3": 1}),
        (where_block, ONE_DETECTOR),
        (pars_reference, ALL),
        (pixel_reference_of_one_detector, {"image2": 2, "image3": 1}),
        (reference_of_equal_bytes, ONE_DETECTOR),
        (context_without_effect, {}),
        (jwst_version, ALL),
        (hook_source, FROM_STAGE_2),
        (input_with_another_date, {}),
        (input_with_another_header, {"detector1": 1, "image2": 1, "image3": 1}),
        (input_with_other_pixels, {"detector1": 1, "image2": 1, "image3": 1}),
        (member_order, {"image3": 1}),
    ],
)
def test_just_what_depends_on_a_change_is_made_again(lab, change: Change, expected):
    """Each kind of change re-runs exactly its set, once; taken back, nothing is computed."""
    with taken_back(lab) as patch:
        change(lab, patch)

        assert lab.run() == expected
        assert lab.run() == {}

    assert lab.run() == {}


@contextmanager
def taken_back(lab: Lab) -> Iterator[pytest.MonkeyPatch]:
    """Afterwards all is as it was, but for the results made meanwhile."""
    before = (lab.recipe, lab.mosaic, list(lab.entries))
    mappings = set((lab.cache / "mappings" / "jwst").iterdir())
    with pytest.MonkeyPatch.context() as patch:
        yield patch
    lab.recipe, lab.mosaic, lab.entries = before
    for path in set((lab.cache / "mappings" / "jwst").iterdir()) - mappings:
        path.unlink()


def test_an_edited_hook_counts_by_its_content(lab):
    """The same hook, edited, re-runs; edited back, it does not."""
    hook_source(lab, None)
    lab.run()
    written = Path("fixes.py").read_text()

    Path("fixes.py").write_text(written.replace("return model", "return model.copy()"))
    edited = lab.run()
    Path("fixes.py").write_text(written)

    assert edited == FROM_STAGE_2
    assert lab.run() == {}
