"""The console command: what it prints of a small mirror, in words and as JSON."""

import io
import os
import pkgutil
import re
import subprocess
import sys
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import pytest
from rich.console import Console
from typer.main import get_group

import jwmirror.cli
from jwmirror.cli import app
from jwmirror.cli.app import COMMANDS
from jwmirror.core.model import Change, Poll, digest
from jwmirror.core.model.plan import DEFAULT
from jwmirror.core.model.product import NEW
from jwmirror.report.explanation import Explanation
from jwmirror.report.terminal.explain import explanation_page
from jwmirror.store.generations import Generations
from jwmirror.store.lock import RUN_LOCK, mirror_lock
from jwmirror.store.provenance import Provenance
from tests.setup.command_line import answer, run

EXPOSURE = "jw01345001001_02101_00001_nrcb1"
MOSAIC = "jw01345-o001_t001_nircam_clear-f200w-sub160"


def test_every_command_is_in_the_table_and_every_module_bears_the_name_of_one():
    """No module has a command that the table does not know, and the help shows them all."""
    for module in pkgutil.walk_packages(jwmirror.cli.__path__, "jwmirror.cli."):
        if not module.name.endswith("__main__"):
            import_module(module.name)
    found = get_group(app).commands
    one_of = {name: getattr(each, "commands", {name: each}) for name, each in found.items()}
    homes = {name: {c.callback.__module__ for c in each.values()} for name, each in one_of.items()}

    assert homes == {name: {f"jwmirror.cli.{home}"} for name, home in COMMANDS.items()}
    assert {home.partition(".")[2] for home in COMMANDS.values()} <= {
        name.replace("-", "_") for name in COMMANDS
    }
    assert all(f" {name} " in run("--help") for name in COMMANDS)


def test_looking_after_a_mirror_starts_without_what_it_does_not_use(small_mirror):
    """Seconds of imports (the config's schema, recipes, pandas by pyarrow) stay out of `verify`."""
    script = "import sys; from jwmirror.cli import app; app(sys.argv[1:], standalone_mode=False)"
    shown = "; print(*sys.modules)"
    command = [sys.executable, "-c", script + shown, "verify", "--mirror", str(small_mirror.root)]
    loaded = subprocess.run(command, capture_output=True, text=True).stdout.split()

    assert "jwmirror.store.maintenance.verify" in loaded
    assert not {"jsonschema", "pandas", "pyarrow.compute", "urllib3"}.intersection(loaded)


def test_status_tells_what_is_held_and_what_is_not_right(small_mirror):
    """One page: holdings, changes with reasons, what is out of date, waits, failed."""
    page = run("status", "--mirror", small_mirror.root)

    assert "generation 1" in page
    assert "i2d 1" in page
    assert f"reprocessed  {EXPOSURE}_uncal.fits  [checksum changed; CAL_VER: 1.17.1" in page
    assert "deep: late_exposure (detector1)  [checksum changed]" in page
    assert "deep: a3001  [2 of 9 members are not there yet]" in page
    assert "late_exposure  [jump: <no> groups left]" in page
    assert "up to date" not in page


def test_status_as_json_has_the_documented_keys(small_mirror):
    """Every key that docs/commands.md names is there, and no other."""
    found = answer("status", "--mirror", small_mirror.root)

    page = (Path(__file__).parents[2] / "docs" / "commands.md").read_text()
    assert all(f"`{key}`" in page for key in found)
    assert found["generation"]["number"] == 1
    uncal = next(each for each in found["held"] if each["suffix"] == "uncal")
    assert (uncal["program"], uncal["observation"], uncal["files"]) == ("jw01345", "o001", 1)
    assert [each["product"] for each in found["out_of_date"]] == ["late_exposure"]
    assert found["unmatched"] == ["program 9"]


def test_the_version_is_told():
    """As of most programs."""
    assert run("--version").startswith("jwmirror ")


def test_status_of_a_mirror_that_was_never_filled(tmp_path):
    """No mirror yet is no error; the page says what fills it."""
    assert "`jwmirror run` makes and fills it" in run("status", "--mirror", tmp_path)


def test_a_flag_shows_no_value_in_its_help():
    """Since `--full` takes none; an option with a value shows which."""
    page = run("verify", "--help")

    assert re.search(r"--full +Also read", page) and re.search(r"--mirror +<path>", page)


def test_check_advises_only_options_that_it_has(tmp_path, monkeypatch):
    """Without a config, `check` names --config; other commands name --mirror, too."""
    monkeypatch.chdir(tmp_path)

    assert "--mirror" not in run("check", code=2)
    assert "--mirror FOLDER" in run("status", code=2)


def test_status_tells_who_is_at_work(small_mirror):
    """A run under way is told, since what it found so far is shown as the last run's."""
    at = ("status", "--mirror", small_mirror.root)
    assert answer(*at)["at_work"] == ""

    with mirror_lock(small_mirror.root, "run 20260401T000000Z-1", name=RUN_LOCK):
        page, found = run(*at), answer(*at)
    with mirror_lock(small_mirror.root, "prune", name=RUN_LOCK):
        of_prune = run(*at)

    assert "A run is going on: 20260401T000000Z-1 on " in page
    assert "in use by: prune, since" in of_prune
    assert found["at_work"].startswith("run 20260401T000000Z-1")


def test_status_of_a_run_that_did_not_come_far(small_mirror):
    """A run that was stopped leaves all it had planned out of date."""
    for receipt in small_mirror.run_folder.glob("*/*.json"):
        receipt.unlink()

    found = answer("status", "--mirror", small_mirror.root)

    assert [each["product"] for each in found["out_of_date"]] == [EXPOSURE, "late_exposure", MOSAIC]


def test_long_lists_are_cut_unless_all_is_asked_for(small_mirror):
    """Twenty lines of a list, a count of the others, and all of them with --all."""
    product = next(row.product for row in small_mirror.rows.values() if row.product)
    changes = (Change(kind=NEW, product=product),) * 30
    small_mirror.record("changes.json", Poll(listings=(), changes=changes))

    cut = run("status", "--mirror", small_mirror.root)
    whole = run("status", "--mirror", small_mirror.root, "--all")

    assert "and 10 more" in cut
    assert (cut.count("new  "), whole.count("new  ")) == (20, 30)


def test_many_folders_are_summed_by_program_unless_all_is_asked_for(empty_mirror):
    """A mirror of many observations still fits a screen, and all of it can be had."""
    for number in range(70):
        entry = empty_mirror.hold("a_uncal.fits", lambda path: path.write_text("same"))
        path = f"upstream/jw01345/o{number:03d}/a_uncal.fits"
        empty_mirror.rows[path] = replace(entry, path=path)
    empty_mirror.publish()

    brief = run("status", "--mirror", empty_mirror.root)
    whole = run("status", "--mirror", empty_mirror.root, "--all")

    assert "uncal 70" in brief
    assert whole.count("uncal 1 ") == 70


def test_log_lists_generations_newest_first(small_mirror):
    """Number, cause and difference of each generation; the current one is starred."""
    small_mirror.rows.popitem()
    small_mirror.publish("a file went")

    page = run("log", "--mirror", small_mirror.root)
    found = answer("log", "--mirror", small_mirror.root)

    assert page.index("a file went") < page.index("run of 2026-03-01")
    assert "*  2 " in page
    assert (found["current"], found["line"]) == (2, [2, 1])
    assert [each["number"] for each in found["generations"]] == [2, 1]
    assert found["generations"][0]["counts"]["gone"] == 1


def test_log_of_an_empty_mirror(tmp_path):
    """No generation yet is no error."""
    assert "holds no mirror yet" in run("log", "--mirror", tmp_path)


def test_explain_tells_the_pedigree_of_an_upstream_file(small_mirror):
    """Where it came from and which versions made it."""
    page = run("explain", f"{EXPOSURE}_uncal.fits", "--mirror", small_mirror.root, "--verbose")

    for fact in ("mast:JWST/product/", "1.18.0", "jwst_1322.pmap", "2025_2", "0c" * 16):
        assert fact in page


def test_explain_tells_how_a_result_was_made(small_mirror):
    """Every parameter by step, references and inputs; with --verbose key, sha1 and identity."""
    of_file = ("explain", f"{EXPOSURE}_rate.fits", "--mirror", small_mirror.root)
    brief, page = run(*of_file), run(*of_file, "--verbose")

    row = small_mirror.rows[f"recalibrated/deep/jw01345/o001/{EXPOSURE}_rate.fits"]
    lines = [" ".join(line.split()) for line in page.splitlines()]
    assert f"key {row.key}" in lines
    assert "jwst_nircam_flat_0001.fits" in brief and "rejection_threshold" in brief
    assert not any(text in brief for text in (row.key[:12], row.sha256[:12], "5a" * 20, "ab" * 6))
    assert "jump rejection_threshold 5.0" in lines
    assert "detector1 in_memory True" in lines
    assert f"flat jwst_nircam_flat_0001.fits {'5a' * 20}" in lines
    assert f"{EXPOSURE}_uncal.fits science {'ab' * 32}" in lines


def test_explain_begins_with_the_parameters_that_are_set(small_mirror):
    """Of hundreds, those that a recipe or a parameter reference sets come first."""
    entry = next(e for e in Generations(small_mirror.root).entries() if "_rate" in e.path)
    record = Provenance(small_mirror.root).read(entry.key)
    origins = {"jump.rejection_threshold": "recipe deep", "jump.skip": DEFAULT}
    console = Console(width=100, file=io.StringIO())

    console.print(
        explanation_page(Explanation(generation=1, entry=entry, record=record, origins=origins))
    )

    page = console.file.getvalue()
    first, whole = page.partition("Parameters that are set")[2].split("All parameters")
    assert "rejection_threshold" in first and "skip" not in first
    assert "rejection_threshold" in whole and "skip" in whole


def test_explain_tells_files_of_one_name_apart(small_mirror):
    """One name upstream and in a recipe gives both; --recipe or a path gives one."""
    name, where = f"{MOSAIC}_i2d.fits", ("--mirror", small_mirror.root)

    both = answer("explain", name, *where)["files"]
    one = answer("explain", name, "--recipe", "deep", *where)["files"]
    path = answer("explain", f"mirror/current/upstream/jw01345/o001/{name}", *where)["files"]

    assert [each["entry"]["origin"] for each in both] == ["deep", "upstream"]
    assert [each["entry"]["origin"] for each in one] == ["deep"]
    assert one[0]["record"]["derivation"]["parameters"]["steps"]["tweakreg"] == {
        "abs_refcat": "GAIADR3"
    }
    assert [each["entry"]["origin"] for each in path] == ["upstream"]


def test_explain_of_what_is_not_there_by_a_wrong_config_tells_the_mistakes(small_mirror, tmp_path):
    """What a recipe would make of a file cannot be told by a config that cannot be read."""
    config = tmp_path / "config.yaml"
    config.write_text(f"mirror: {small_mirror.root}\nprograms: [{{program: 1345}}]\nrecipe: {{}}\n")

    said = run("explain", "jw01345_none_i2d.fits", "--config", config, code=2)

    assert "did you mean 'recipes'" in said


def test_explain_names_each_mistake_of_the_config_in_its_note(small_mirror, tmp_path):
    """The rest of the page is as without a config."""
    config = tmp_path / "config.yaml"
    mistakes = "programs: [{program: 1345}]\nrecipe: {}\nsettel: {}\n"
    config.write_text(f"mirror: {small_mirror.root}\n{mistakes}")

    page = run("explain", f"{EXPOSURE}_rate.fits", "--config", config)

    assert "'recipe'" in page and "'settel'" in page and "\\n" not in page


def test_explain_tells_what_differs_from_results_under_other_keys(small_mirror):
    """Of the same product and pipeline, newest first; not of others, nor of itself."""
    row = small_mirror.rows[f"recalibrated/deep/jw01345/o001/{EXPOSURE}_rate.fits"]
    made = Provenance(small_mirror.root).read(row.key).derivation
    steps = {"jump": {**made.parameters["steps"]["jump"], "rejection_threshold": 7.5}}
    former = replace(made, parameters={**made.parameters, "steps": steps})
    other = replace(former, product="another")
    for derivation in (former, other):
        small_mirror.make(derivation, "any_rate.fits", lambda path: path.write_text("former"))

    page = run("explain", f"{EXPOSURE}_rate.fits", "--mirror", small_mirror.root)
    (found,) = answer("explain", f"{EXPOSURE}_rate.fits", "--mirror", small_mirror.root)["files"]

    assert [each["key"] for each in found["former"]] == [digest(former)]
    assert "Other results of this file" in page
    assert "not published" in page and "jump.rejection_threshold: 7.5 -> 5.0" in page


def test_explain_names_the_recipe_of_another_result_first_in_one_line(small_mirror):
    """Several inputs and parameters are summed up; the recipe is that of any generation."""
    name = f"{EXPOSURE}_rate.fits"
    paths = [f"recalibrated/{recipe}/jw01345/o001/{name}" for recipe in ("quick", "deep")]
    made = Provenance(small_mirror.root).read(small_mirror.rows[paths[1]].key).derivation
    for path, threshold, content in zip(paths, (7.5, 5.0), ("x", "y"), strict=True):
        jump = {**made.parameters["steps"]["jump"], "rejection_threshold": threshold}
        inputs = [replace(made.inputs[0], name=each, identity=content + each) for each in "abc"]
        steps = {**made.parameters, "steps": {"jump": jump}}
        derivation = replace(made, parameters=steps, inputs=tuple(inputs))
        small_mirror.make(derivation, name, lambda file, text=content: file.write_text(text))
        row = small_mirror.rows[paths[1]]
        small_mirror.rows[path] = replace(row, path=path, origin=path.split("/")[1])
    small_mirror.publish("two recipes")

    page = run(
        "explain", f"{EXPOSURE}_rate.fits", "--recipe", "deep", "--mirror", small_mirror.root
    )

    line = next(line.split() for line in page.splitlines() if line.strip().startswith("quick "))
    assert "jump.rejection_threshold: 7.5 -> 5.0" in " ".join(line)
    assert "content of 3 inputs changed" in " ".join(line)


def test_explain_suggests_the_nearest_name(small_mirror):
    """A name that is not there gets the most likely ones, and exit code 1."""
    said = run("explain", f"{EXPOSURE}_rat.fits", "--mirror", small_mirror.root, code=1)

    assert f"did you mean {EXPOSURE}_rate.fits" in said


def test_explain_of_an_unknown_recipe_lists_the_recipes_of_the_generation(small_mirror):
    """The message is about the recipe; the file name is right."""
    call = "explain", f"{EXPOSURE}_rate.fits", "--recipe", "deeep", "--mirror", small_mirror.root

    message = " ".join(run(*call, code=1).split())

    assert "unknown recipe 'deeep'; did you mean 'deep'? allowed are deep, upstream" in message


def test_a_broken_config_is_reported_with_line_and_column(tmp_path):
    """The same words by commands that need the whole config and those that need its mirror."""
    config = tmp_path / "config.yaml"
    config.write_text("programs: [1\nrecipes: {")

    for command in ("check", "log"):
        message = " ".join(run(command, "--config", config, code=2).split())
        assert "line 2: not YAML: found a list that is not closed" in message


def test_events_from_a_missing_file_are_reported_without_a_system_number(tmp_path):
    """The reason is in words, and nothing is taken from the file."""
    message = " ".join(
        run("ingest-events", tmp_path / "none", "--mirror", tmp_path, code=1).split()
    )

    assert "found: No such file or directory; nothing was taken" in message


def test_the_mirror_is_the_one_that_the_config_names(small_mirror, tmp_path):
    """Without --mirror, the config's `mirror:` is looked at."""
    config = tmp_path / "config.yaml"
    config.write_text(f"mirror: {small_mirror.root}\nprograms: [{{program: 1345}}]\n")

    assert answer("log", "--config", config)["current"] == 1


def test_check_accepts_a_right_config(tmp_path):
    """A config without mistakes is said to be one, with what it asks for."""
    config = tmp_path / "config.yaml"
    config.write_text("programs: [{program: 1345}]\nrecipes: {plain: {stages: [1]}}\n")

    assert "no mistakes; programs 1345; recipes plain" in run("check", "--config", config)
    assert answer("check", "--config", config)["mistakes"] == []


@pytest.mark.parametrize("form", [(), ("--json",)])
def test_check_lists_every_mistake(tmp_path, form):
    """All mistakes at once, with their places, and exit code 2."""
    config = tmp_path / "config.yaml"
    config.write_text("programs: [{program: 1345, exposure_type: X}]\nmirrors: there\n")

    said = run("check", "--config", config, *form, code=2)

    assert "programs[0]" in said and "exposure_types" in said
    assert "did you mean 'mirror'" in said


def test_a_config_that_is_not_there_is_told(tmp_path):
    """Neither check nor status fails on its own over a missing config."""
    for command in ("check", "status", "log"):
        assert "none.yaml" in run(command, "--config", tmp_path / "none.yaml", code=2)


@pytest.mark.parametrize("content", [None, b"\xff\xfe", b"mirror: 5\n", b"mirror:\n", b"[1, 2\n"])
def test_a_config_that_is_none_is_told(tmp_path, content):
    """A folder, bytes, and a mirror that is no name: a line that names the file, exit code 2."""
    config = tmp_path / "odd.yaml"
    if content is None:
        config.mkdir()
    else:
        config.write_bytes(content)

    for command in ("check", "status"):
        said = run(command, "--config", config, code=2)
        assert "odd.yaml" in " ".join(said.split()).replace(" ", "")


def test_help_has_a_short_option():
    """As of most programs, also of a command; a flag shows no value."""
    assert run("-h") == run("--help") and run("verify", "-h") == run("verify", "--help")
    assert "<bool>" not in run("--help") + run("verify", "-h")


@pytest.mark.parametrize(
    ("words", "index", "found"),
    [("jwmirror un", 1, {"unpin"}), ("jwmirror init --re", 2, {"--recipe", "--repository"})],
)
def test_a_shell_can_complete_commands_and_options(words, index, found):
    """`jwmirror --install-completion` makes it ask so; `python -m jwmirror` is the program."""
    asked = {"_JWMIRROR_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(index)}
    command = [sys.executable, "-m", "jwmirror"]

    done = subprocess.run(command, env={**os.environ, **asked}, capture_output=True, text=True)

    assert found <= set(done.stdout.split()), done.stderr
    assert "verify" not in done.stdout.split()
