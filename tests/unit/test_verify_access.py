"""Verification: exclusive files that are open, records that are missing, links in wrong places."""

import os
import shutil
from dataclasses import replace

import pytest
from msgspec import structs

from jwmirror.core.model.maintenance import Problem
from jwmirror.store.access import exclusive_site, manifest_path, report_path
from jwmirror.store.maintenance.repair import repair
from jwmirror.store.maintenance.verify import verify
from jwmirror.store.objects import Objects
from jwmirror.store.provenance import Provenance
from tests.setup.mirrors import EXPOSURE, SmallMirror

RATE = f"recalibrated/deep/jw01345/o001/{EXPOSURE}_rate.fits"
UNCAL = f"upstream/jw01345/o001/{EXPOSURE}_uncal.fits"
CAVEATS = '[{"cause":"noise","message":"3 times"}]'


@pytest.fixture
def exclusive_mirror(small_mirror: SmallMirror) -> SmallMirror:
    """A mirror whose raw exposure is exclusive; a caveat names what was measured on its rate."""
    rows = small_mirror.rows
    closed = structs.replace(rows[UNCAL].upstream, exclusive=True)
    rows[UNCAL] = replace(rows[UNCAL], product=closed)
    rows[RATE] = replace(rows[RATE], caveats=CAVEATS)
    small_mirror.publish()
    return small_mirror


def kinds(problems: tuple[Problem, ...]) -> set[tuple[str, str]]:
    """The kind and the path of each problem."""
    return {(problem.kind, problem.path) for problem in problems}


@pytest.mark.parametrize("full", [False, True])
def test_an_open_file_that_must_be_closed_is_found_and_closed(exclusive_mirror, full):
    """Objects, records of results, manifests with their figures, pages, and the complete site."""
    root, rows = exclusive_mirror.root, exclusive_mirror.rows
    report_path(root, 2).parent.mkdir(exist_ok=True)
    report_path(root, 2).write_text("<html>")
    paths = [
        Objects(root).path(rows[UNCAL].sha256),
        Objects(root).path(rows[RATE].sha256),
        Provenance(root).path(rows[RATE].key),
        manifest_path(root, 2),
        report_path(root, 2),
    ]
    for path in paths:
        path.chmod(0o644)
    paths.append(exclusive_site(root))
    paths[-1].mkdir(mode=0o755)

    problems = verify(root, full).problems
    repair(root, full)

    assert kinds(problems) == {("access", str(path.relative_to(root))) for path in paths}
    assert {(each.expected, each.found) for each in problems} == {
        ("closed to other users", "mode 0644"),
        ("closed to other users", "mode 0755"),
    }
    assert verify(root, full).problems == ()
    assert {path.stat().st_mode & 0o077 for path in paths} == {0}


def test_a_repair_gives_a_group_what_it_may_read(exclusive_mirror):
    """The group is that of the config."""
    path = Objects(exclusive_mirror.root).path(exclusive_mirror.rows[UNCAL].sha256)
    path.chmod(0o444)

    repair(exclusive_mirror.root, group=path.group())

    assert path.stat().st_mode & 0o777 == 0o440


@pytest.mark.parametrize("full", [False, True])
def test_a_record_that_a_published_result_lacks_is_reported(small_mirror, full):
    """A repair cannot make it again, and says what can."""
    root, key = small_mirror.root, small_mirror.rows[RATE].key
    Provenance(root).path(key).unlink()

    problems = verify(root, full).problems
    outcomes = repair(root, full).outcomes

    assert ("provenance", f"provenance/{key}.json") in kinds(problems)
    (outcome,) = [each for each in outcomes if each.problem.kind == "provenance"]
    assert not outcome.is_mended and "let the next run make it again" in outcome.done


@pytest.mark.timeout(60)
@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("kind", ["link", "pipe"])
def test_a_link_or_a_pipe_is_no_object(small_mirror, tmp_path, full, kind):
    """Even a link to the right bytes: it would not be read by a check outside of the mirror."""
    root, row = small_mirror.root, small_mirror.rows[UNCAL]
    path, outside = Objects(root).path(row.sha256), tmp_path / "outside"
    path.rename(outside)
    path.symlink_to(outside) if kind == "link" else os.mkfifo(path)

    problems = verify(root, full).problems

    assert (problems[0].kind, problems[0].found) == ("object", "no regular file")
    assert not Objects(root).has(row.sha256)


@pytest.mark.parametrize("folder", [".", "upstream", "upstream/jw01345"])
def test_a_link_in_the_place_of_a_folder_of_a_view_is_not_followed(small_mirror, tmp_path, folder):
    """Also if all is right behind it; a repair puts links into the mirror, and nothing outside."""
    root, outside = small_mirror.root, tmp_path / "outside"
    view = root / "views" / "000001"
    shutil.copytree(view / folder, outside, symlinks=True)
    (outside / "mine").write_text("mine")
    shutil.rmtree(view / folder)
    (view / folder).symlink_to(outside)
    before = sorted(outside.rglob("*"))

    problems = verify(root, full=True).problems
    repair(root, full=True)

    name = f"views/000001/{folder}".removesuffix("/.")
    assert [problem.kind for problem in problems if problem.path == name] == ["view"]
    assert sorted(outside.rglob("*")) == before
    assert not (view / folder).is_symlink()
    assert verify(root, full=True).problems == ()


def test_a_mirror_without_exclusive_files_is_not_traced(small_mirror, monkeypatch):
    """The quick check reads no provenance record then."""
    monkeypatch.setattr(Provenance, "read", lambda self, key: pytest.fail("read"))

    assert verify(small_mirror.root).problems == ()
