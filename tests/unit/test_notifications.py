"""Summaries of runs, and the commands that get them: what they say, and what they cannot break."""

import errno
import json
import os
import select
import shlex
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from msgspec import structs

from jwmirror.core.errors import ConfigError
from jwmirror.core.log import MESSAGES
from jwmirror.core.model import Change, Poll, Receipt, Version, canonical, read, write
from jwmirror.core.model.history.causes import ContentChange
from jwmirror.core.model.history.run_summary import Notification, RunSummary
from jwmirror.core.model.plan import Published
from jwmirror.core.model.product import REPROCESSED, Doubt
from jwmirror.core.model.run import Stop
from jwmirror.services.causes import reprocessing
from jwmirror.services.notify.commands import notify_about_run, send_summary
from jwmirror.services.notify.summary import LONGEST, run_summary
from jwmirror.services.run.session import RUN_ID, RunSession
from jwmirror.store.generations import Generations
from jwmirror.store.maintenance.rollback import roll_back
from jwmirror.store.runs import RunFiles
from tests.setup import records
from tests.setup.command_line import answer, run
from tests.setup.configs import parse
from tests.setup.mirrors import EXPOSURE, RUN
from tests.unit.test_hold import HELD

PAGE = Path(__file__).parents[2] / "docs" / "notify.md"
SUMMARY = RunSummary(run=RUN, mirror="/m", outcome="changed", generation=1, is_new=True)
CONFIG = {"programs": [1345]}


def finish(mirror, is_new=True):
    """Let the run of the small mirror end without an error."""
    mirror.record("published.json", Published(generation=1, is_new=is_new))
    mirror.record("conclusion.json", [])


def close(mirror, filename):
    """Let MAST call a file of the mirror exclusive, in a second generation, and in the poll."""
    rows = list(Generations(mirror.root).entries())
    place = next(n for n, row in enumerate(rows) if row.filename == filename)
    rows[place] = replace(rows[place], product=structs.replace(rows[place].product, exclusive=True))
    Generations(mirror.root).publish(rows, "closed", {})
    files = RunFiles(mirror.run_folder)
    poll = read(files.poll, Poll)
    changes = tuple(
        replace(each, product=structs.replace(each.product, exclusive=True))
        if each.product.filename == filename
        else each
        for each in poll.changes
    )
    mirror.record("changes.json", replace(poll, changes=changes))


# ---- summaries ---------------------------------------------------------------------------------


def test_a_summary_says_what_changed_and_what_failed(small_mirror):
    """In lists, in numbers and in words."""
    finish(small_mirror)

    found = run_summary(small_mirror.root, RUN)

    assert (found.outcome, found.generation, found.is_new) == ("changed", 1, True)
    assert [each.file for each in found.reprocessed] == [f"{EXPOSURE}_uncal.fits"]
    assert found.reprocessed[0].reasons == ("checksum changed", "CAL_VER: 1.17.1 -> 1.18.0")
    assert [each.file for each in found.vanished] == ["gone_uncal.fits"]
    assert [(each.name, each.why) for each in found.failed] == [
        ("late_exposure", "jump: <no> groups left")
    ]
    assert found.counts == {
        "new": 1, "reprocessed": 1, "released": 0, "vanished": 1, "retracted": 0, "failed": 1,
        "caveats": 0,
    }  # fmt: skip
    assert found.subject == (
        "jwmirror: generation 1 is new (1 new, 1 reprocessed, 1 vanished, 1 failed)"
    )
    assert "Failed (1):\n  late_exposure: jump: <no> groups left" in found.text
    assert found.causes == ("run of 2026-03-01",)


def test_a_run_that_did_not_conclude_has_failed(small_mirror):
    """Whether or not it published; why it stopped is there."""
    published = run_summary(small_mirror.root, RUN)
    (small_mirror.run_folder / "published.json").unlink(missing_ok=True)
    stop = Stop(run=RUN, at="2026", rule="query_archive", why="MAST is closed")
    small_mirror.record("stopped.json", stop)

    stopped = run_summary(small_mirror.root, RUN)

    assert (published.outcome, stopped.outcome, stopped.is_new) == ("failed", "failed", False)
    assert (stopped.failed[0].name, stopped.failed[0].why) == ("query_archive", "MAST is closed")
    assert stopped.subject.startswith("jwmirror: run failed (")


def test_a_run_that_changed_nothing_reports_no_change_again(small_mirror):
    """Its records may be deleted; what an earlier poll found is not new."""
    finish(small_mirror, is_new=False)
    files = RunFiles(small_mirror.run_folder)
    poll = read(files.poll, Poll)
    since = tuple(replace(each, since="2026-01-01") for each in poll.changes)
    small_mirror.record("changes.json", replace(poll, changes=since))

    found = run_summary(small_mirror.root, RUN)
    deleted = run_summary(small_mirror.root, "20260302T120000.000000Z-1")

    assert (found.outcome, found.new, found.reprocessed, found.vanished) == (
        *("unchanged",), (), (), (),
    )  # fmt: skip
    assert deleted.outcome == "unchanged"


def test_how_a_reprocessed_file_differs_is_in_the_summary(small_mirror):
    """As it was found when the file arrived."""
    finish(small_mirror)
    files = RunFiles(small_mirror.run_folder)
    poll = read(files.poll, Poll)
    product = poll.changes[0].product
    held = replace(poll.changes[0], held="aa" * 32)
    small_mirror.record("changes.json", replace(poll, changes=(held,)))
    write(files.orders, {"products": {"jw01345-o001.1": [product]}})
    version = Version(product=product, sha256="bb" * 32, size=1)
    write(files.fetched("jw01345-o001.1"), Receipt(versions=(version,)))
    kept = reprocessing._path(small_mirror.root, "aa" * 32, "bb" * 32)
    write(kept, ContentChange(verdict="pixels changed", sigma=0.412))

    (changed,) = run_summary(small_mirror.root, RUN).reprocessed

    assert (changed.content, changed.sigma) == ("pixels changed", 0.412)


def test_exclusive_files_are_left_out_and_counted(small_mirror):
    """By default also what failed of their program; a listing that failed is never left out."""
    finish(small_mirror)
    close(small_mirror, f"{EXPOSURE}_uncal.fits")
    poll = read(RunFiles(small_mirror.run_folder).poll, Poll)
    doubt = Doubt(program=1345, why="no answer")
    small_mirror.record("changes.json", replace(poll, doubts=(doubt,)))

    public = run_summary(small_mirror.root, RUN)
    whole = run_summary(small_mirror.root, RUN, with_exclusive=True)

    assert (public.reprocessed, public.left_out, whole.left_out) == ((), 2, 0)
    assert [each.name for each in public.failed] == ["MAST's listing, program 1345"]
    assert len(whole.reprocessed) == 1
    assert [each.name for each in whole.failed][1:] == ["late_exposure"]
    assert EXPOSURE not in canonical(public)


def test_long_lists_are_cut_and_counted(small_mirror):
    """No summary grows with the archive."""
    finish(small_mirror)
    changes = tuple(
        Change(kind=REPROCESSED, product=records.product(f"jw01345001001_{n:05d}_cal.fits"))
        for n in range(LONGEST + 50)
    )
    small_mirror.record("changes.json", Poll(listings=(), changes=changes))

    found = run_summary(small_mirror.root, RUN)

    assert (len(found.reprocessed), found.counts["reprocessed"]) == (LONGEST, LONGEST + 50)
    assert f"  and {LONGEST + 40} more" in found.text


def test_a_held_view_is_in_the_summary(small_mirror):
    """With who holds it."""
    finish(small_mirror)
    roll_back(small_mirror.root, 1, hold=HELD)

    found = run_summary(small_mirror.root, RUN)

    assert found.hold == HELD
    assert "The view is held by ann since 2026-03-01 10:00 UTC: bad flat" in found.text


def test_text_from_outside_cannot_act_on_a_terminal(small_mirror):
    """Of file names and messages."""
    finish(small_mirror)
    product = records.product("jw01345001001_x\x1b[2J_cal.fits")
    small_mirror.record(
        "changes.json", Poll(listings=(), changes=(Change(kind=REPROCESSED, product=product),))
    )

    text = run_summary(small_mirror.root, RUN).text

    assert "\x1b" not in text and "\\x1b" in text


# ---- commands ----------------------------------------------------------------------------------


def python(code: str, **fields) -> Notification:
    """A command that runs Python code."""
    return Notification(command=(sys.executable, "-c", code), **fields)


def test_a_command_gets_the_summary_and_no_secret(tmp_path, monkeypatch):
    """On its standard input, as JSON, in the folder of the call."""
    monkeypatch.chdir(tmp_path)
    for name in ("MY_TOKEN", RUN_ID, MESSAGES, "KEPT"):
        monkeypatch.setenv(name, "value")
    code = (
        "import os, sys; open('got', 'w').write(sys.stdin.read())\n"
        "print(*os.environ, file=open('names', 'w'))"
    )

    lines = list(send_summary(SUMMARY, python(code), {"MY_TOKEN", RUN_ID, MESSAGES}))

    names = Path("names").read_text().split()
    assert lines == []
    assert json.loads(Path("got").read_text())["run"] == RUN
    assert ("KEPT" in names, {"MY_TOKEN", RUN_ID, MESSAGES} & {*names}) == (True, set())


@pytest.mark.parametrize(
    ("notification", "words"),
    [
        (Notification(command=("./nothing",)), "could not be started (No such file or directory)"),
        (python("import sys; sys.exit('no\\x1bservice')"), "exit code 1 (no\\x1bservice)"),
        (python("raise SystemExit(3)"), "ended with exit code 3; the run is not affected"),
        (
            python("import time; time.sleep(60)", timeout_s=0.3),
            "did not end within 0.3 s, and was killed",
        ),
    ],
)
def test_a_failure_is_one_line(notification, words):
    """Whatever the command does."""
    (line,) = send_summary(SUMMARY, notification, ())

    assert words in line
    assert "\n" not in line


def test_what_a_command_started_is_killed_with_it(tmp_path):
    """It would go on for ever otherwise: the pipe that it writes to has no writer any more."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    code = f"(echo begun; sleep 60) > {shlex.quote(str(pipe))} & wait"
    shell = Notification(command=("/bin/sh", "-c", code), timeout_s=1)

    assert len(list(send_summary(SUMMARY, shell, ()))) == 1

    poll = select.poll()
    poll.register(reader, select.POLLHUP)
    assert os.read(reader, 100) == b"begun\n"
    assert poll.poll(20_000) == [(reader, select.POLLHUP)]
    os.close(reader)


def test_a_command_that_prints_without_end_fills_no_disk():
    """Only the end of what it says is kept, in memory."""
    code = (
        "import os, sys\n"
        "for _ in range(512): os.write(1, bytes(65536)); os.write(2, bytes(65536))\n"
        "sizes = [os.fstat(number).st_size for number in (1, 2)]\n"
        "sys.exit(f'\\nfiles of {sum(sizes)} bytes')"
    )

    (line,) = send_summary(SUMMARY, python(code), ())

    assert "files of 0 bytes" in line


def test_a_command_that_leaves_another_process_delays_nothing(tmp_path):
    """Although that one keeps standard error open."""
    pid = tmp_path / "pid"
    code = f"sleep 60 & echo $! > {shlex.quote(str(pid))}; echo no >&2; exit 3"
    shell = Notification(command=("/bin/sh", "-c", code), timeout_s=30)
    begin = time.monotonic()

    (line,) = send_summary(SUMMARY, shell, ())

    os.kill(int(pid.read_text()), signal.SIGKILL)
    assert "ended with exit code 3 (no)" in line
    assert time.monotonic() - begin < 20


def test_a_full_disk_is_a_line_and_no_error(monkeypatch):
    """The run has ended, and must not fail now."""

    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("tempfile.TemporaryFile", refuse)

    (line,) = send_summary(SUMMARY, python("pass"), ())

    assert "could not be started (No space left on device)" in line


def test_a_large_summary_reaches_a_command_that_does_not_read_it():
    """Nothing blocks, and that is no failure."""
    assert list(send_summary(replace(SUMMARY, text="x" * 1_000_000), python("pass"), ())) == []


def test_unchanged_runs_are_sent_on_request_only(small_mirror, tmp_path):
    """All others to each command."""
    finish(small_mirror, is_new=False)
    small_mirror.record("changes.json", Poll(listings=(), changes=()))
    code = "import sys; open({!r}, 'w').write(sys.stdin.read())"
    commands = [
        python(code.format(str(tmp_path / str(unchanged))), unchanged=unchanged)
        for unchanged in (True, False)
    ]

    assert list(notify_about_run(small_mirror.root, RUN, commands, ())) == []
    first = sorted(path.name for path in tmp_path.glob("[TF]*"))
    small_mirror.record("published.json", Published(generation=1, is_new=True))
    assert list(notify_about_run(small_mirror.root, RUN, commands, ())) == []

    assert (first, sorted(path.name for path in tmp_path.glob("[TF]*"))) == (
        ["True"],
        ["False", "True"],
    )


def test_a_damaged_record_is_a_line_and_no_error(small_mirror):
    """The run is over."""
    (small_mirror.run_folder / "changes.json").write_text("{")

    (line,) = notify_about_run(small_mirror.root, RUN, [python("pass")], ())

    assert "changes.json: not as jwmirror writes it" in line
    assert line.endswith("nothing was sent")


# ---- what docs/notify.md shows -------------------------------------------------------------------


def shown(name):
    """The block of the page that has this name."""
    return PAGE.read_text().partition(f"```{name}\n")[2].partition("```")[0]


@pytest.fixture
def programs(tmp_path, monkeypatch):
    """Programs `mail` and `curl` that write their arguments and their input into files."""
    for name in ("mail", "curl"):
        path = tmp_path / "bin" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" > {name}.words\ncat > {name}.input\n')
        path.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)


def test_the_scripts_of_the_page_send_a_summary(programs):
    """By mail, and to a chat."""
    for name, words in {"python to-mail.py": ("me@example.org",), "sh to-chat.sh": ()}.items():
        path = Path(name.partition(" ")[2])
        path.write_text(shown(name))
        path.chmod(0o755)
        summary = replace(SUMMARY, subject="jwmirror: it's new", text='one "line"\nanother')
        notification = Notification(command=(f"./{path}", *words))
        assert list(send_summary(summary, notification, ())) == []

    mailed = Path("mail.words").read_text().splitlines()
    assert mailed == ["-s", "jwmirror: it's new", "me@example.org"]
    assert Path("mail.input").read_text() == 'one "line"\nanother'
    assert json.loads(Path("curl.input").read_text()) == {"text": 'one "line"\nanother'}
    assert f"{Path.cwd()}/.config/jwmirror/chat" in Path("curl.words").read_text()


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="needs systemd-analyze")
def test_the_units_of_the_page_are_right(tmp_path, monkeypatch):
    """By systemd's own check, with a program in the place of jwmirror."""
    program = tmp_path / "jwst/.venv/bin/jwmirror"
    program.parent.mkdir(parents=True)
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    for name in ("jwmirror.service", "jwmirror.timer"):
        unit = shown(f"ini {name}").replace("%h", str(tmp_path))
        assert unit.startswith("[Unit]")
        (tmp_path / name).write_text(unit)

    units = [str(tmp_path / name) for name in ("jwmirror.service", "jwmirror.timer")]
    call = ["systemd-analyze", "--man=no", "verify", *units]
    done = subprocess.run(call, capture_output=True, text=True)

    assert (done.returncode, str(tmp_path) in done.stderr) == (0, False), done.stderr


# ---- runs, config and command ------------------------------------------------------------------


def test_the_end_of_a_run_sends_its_summary(tmp_path, capsys):
    """Also of one that fails; the next run need not wait for the command."""
    got = tmp_path / "got"
    code = f"import sys; open({str(got)!r}, 'a').write(sys.stdin.read())"
    commands = [python(code, unchanged=True), Notification(command=("./nothing",))]

    for number, end in enumerate(("fail", "succeed")):
        session = RunSession(tmp_path / str(number), wait=False, notifications=commands)
        session.begin()
        session.files.folder.mkdir(parents=True, exist_ok=True)
        getattr(session, end)()

    outcomes = [json.loads(line)["outcome"] for line in got.read_text().splitlines()]
    assert outcomes == ["failed", "failed"]
    assert capsys.readouterr().err.count("notify: ./nothing could not be started") == 2


def test_a_run_that_never_began_sends_nothing(tmp_path):
    """It has done nothing that anybody must know."""
    got = tmp_path / "got"
    command = Notification(command=("/bin/sh", "-c", f"touch {shlex.quote(str(got))}"))

    RunSession(tmp_path / "m", wait=False, notifications=[command]).fail()

    assert not got.exists()


def test_the_config_names_commands():
    """As lists of words, or one word; the rest has defaults."""
    (one,) = parse(CONFIG | {"notify": [{"command": "./a.sh"}]}).notifications
    (found,) = parse(CONFIG | {"notify": [{"command": ["./a.sh", "-q"]}]}).notifications

    assert found == Notification(command=("./a.sh", "-q"))
    assert one.command == ("./a.sh",)


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ({"command": []}, "notify[0].command"),
        ({}, "command"),
        ({"command": ["a"], "timeout": 0}, "notify[0].timeout"),
        ({"command": ["a"], "exlusive": True}, "exclusive"),
    ],
)
def test_mistakes_in_commands_are_named(entry, words):
    """With their place."""
    with pytest.raises(ConfigError) as caught:
        parse(CONFIG | {"notify": [entry]})

    assert words in str(caught.value)


def test_commands_are_not_recorded_with_generations():
    """They may have an address that is secret, and bags are for all."""
    config = parse(CONFIG | {"notify": [{"command": ["curl", "https://chat/secret"]}]})

    assert "secret" not in str(config.recorded)
    assert config.recorded["programs"] == config.content["programs"]
    rule = Path(__file__).parents[2] / "rules" / "publish.smk"
    assert "CONFIG.content" not in rule.read_text()


def test_the_summary_is_sent_again_on_demand(small_mirror, tmp_path):
    """To try the commands; with --dry-run it is only shown."""
    finish(small_mirror, is_new=False)
    got, file = tmp_path / "got", tmp_path / "config.yaml"
    code = f"import sys; open({str(got)!r}, 'w').write(sys.stdin.read())"
    commands = [{"command": [sys.executable, "-c", code]}, {"command": ["./nothing"]}]
    content = CONFIG | {"mirror": str(small_mirror.root), "notify": commands}
    file.write_text(yaml.safe_dump(content))

    shown = answer("notify", "--dry-run", "--config", file)
    assert not got.exists()
    text = run("notify", "--dry-run", "--config", file)
    page = run("notify", "--config", file, code=1)

    sent = json.loads(got.read_text())
    assert (sent["is_repeated"], sent["run"], sent["format"]) == (True, RUN, "jwmirror-run-1")
    assert (shown["subject"], text) == (sent["subject"], f"{sent['text']}\n")
    assert "notify: ./nothing could not be started" in page
