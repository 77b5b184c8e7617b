"""The site in a browser: no errors, no sideways scrolling, tables that sort and can be searched.

With the path of axe.min.js in JWMIRROR_AXE (.ci/run fetches it), its rules for access are checked.
"""

import json
import os
import re
import shutil
import subprocess
from html import unescape
from pathlib import Path

import pytest

from jwmirror.services.run.site import write_site
from tests.conftest import need
from tests.setup.mirrors import EXPOSURE, image_writer

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
AXE = os.environ.get("JWMIRROR_AXE", "")
WIDTHS = (390, 1400)  # pixels
POLICY = re.compile(r'<meta http-equiv="Content-Security-Policy"[^>]*>')
PROBE = """<script>%s</script><script>
(async () => {
  const root = document.documentElement;
  const found = {page: location.hash, wide: root.scrollWidth - root.clientWidth, axe: [], rows: []};
  if (window.axe) {
    const checked = await axe.run(document, {resultTypes: ["violations"]});
    found.axe = checked.violations.map((each) => [each.id, each.nodes.map((node) => node.html)]);
  }
  const input = document.querySelector("#exposures input[type=search]");
  if (input) {
    const rows = () => [...document.querySelectorAll("#exposures tbody tr")];
    const names = () => rows().map((row) => row.cells[0].textContent);
    const head = document.querySelector("#exposures th button");
    head.click();
    const up = names();
    head.click();
    found.rows = [up, names(), head.parentNode.getAttribute("aria-sort")];
    input.value = "00003 mast";
    input.dispatchEvent(new Event("input"));
    found.shown = rows().filter((row) => !row.hidden).map((row) => row.cells[0].textContent);
  }
  parent.postMessage(found, "*");
})();
</script>"""
FRAMES = """<!doctype html><title>frames</title><body><script>
const found = [];
addEventListener("message", (event) => {
  found.push(event.data);
  if (found.length === %d) document.body.textContent = "FOUND" + JSON.stringify(found) + "END";
});
</script>%s</body>"""


@pytest.fixture
def site(small_mirror) -> Path:
    """The site of a mirror with enough exposures for a table that can be searched."""
    for number in range(2, 12):
        name = EXPOSURE.replace("_00001_", f"_{number:05d}_")
        small_mirror.hold(f"{name}_uncal.fits", image_writer(1.0))
    small_mirror.publish("more exposures")
    return write_site(mirror=small_mirror.root).parent


def browser(page: Path, *options: str) -> tuple[str, str]:
    """Return a page as chromium shows it, in HTML, and its messages on it."""
    always = (
        *("--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr", "--v=0"),
        *("--no-first-run", "--disable-background-networking", "--disable-component-update"),
        *("--disable-sync", "--disable-quic", "--virtual-time-budget=60000", "--dump-dom"),
    )
    profile = f"--user-data-dir={page.parent / 'profile'}"
    done = subprocess.run(
        [CHROMIUM, *always, *options, profile, page.as_uri()],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    return done.stdout, done.stderr


def frames(site: Path, pages: list[Path], name: str, count: int) -> Path:
    """A page that shows others in frames of both widths, and waits for so many answers."""
    tags = [
        f'<iframe width="{width}" height="900" src="{page.relative_to(site)}#{width}"></iframe>'
        for page in pages
        for width in WIDTHS
    ]
    path = site / name
    path.write_text(FRAMES % (count, "".join(tags)))
    return path


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_fit_a_phone_and_break_no_rule_of_access(site, scheme):
    """At both widths; rows are sorted up and down by a button, and found by words."""
    need("" if CHROMIUM else "chromium is not installed")
    axe = Path(AXE).read_text().replace("</script>", r"<\/script>") if AXE else ""
    copies = []
    for page in sorted(site.rglob("*.html")):
        copy = page.with_name(f"copy-{page.name}")
        text = POLICY.sub("", page.read_text())
        copy.write_text(text.replace("</body>", f"{PROBE % axe}</body>"))
        copies.append(copy)
    dark = ("--blink-settings=preferredColorScheme=0",) if scheme == "dark" else ()

    shown, _ = browser(frames(site, copies, "frames.html", 2 * len(copies)), *dark)

    answers = re.search("FOUND(.*)END", shown, re.S)
    assert answers, shown[-2000:]
    found = json.loads(unescape(answers[1]))
    assert len(found) == 2 * len(copies) == 22
    assert {each["page"]: each["wide"] for each in found if each["wide"] > 0} == {}
    assert [each["axe"] for each in found if each["axe"]] == []
    (table, _) = (each for each in found if each["rows"])
    up, down, direction = table["rows"]
    assert up == sorted(up) == down[::-1] and len(up) == 12 and direction == "descending"
    assert table["shown"] == [EXPOSURE.replace("_00001_", "_00003_")]


def test_a_browser_reports_no_error_and_runs_nothing_else(site):
    """A script, a style or a picture that got into a page has no effect, and is reported."""
    need("" if CHROMIUM else "chromium is not installed")
    pages = sorted(site.rglob("*.html"))
    _, messages = browser(frames(site, pages, "frames.html", 1))
    added = (
        "<script>document.title = 'script ran'</script><style>b { color: red }</style>"
        "<img src='http://localhost:9/picture.png'>"
    )
    attacked = site / "attacked.html"
    attacked.write_text((site / "index.html").read_text().replace("</main>", f"{added}</main>"))

    shown, refusals = browser(attacked)

    reported = [line for line in messages.splitlines() if ":CONSOLE" in line]
    assert reported == []
    assert "<title>script ran" not in shown and "<title>Mirror" in shown
    assert refusals.count("Content Security Policy") >= 3
