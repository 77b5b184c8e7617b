"""Make the screenshots in docs/site: `python docs/screenshots.py MIRROR/site [OTHER/site]`.

Each picture shows one page of each type at 1400 pixels and, beside it, at 390 (a phone), from its
top. There is one for the light and one for the dark form. A page is taken from the first of the
folders that has something to show on it. Chromium must be installed.
"""

import argparse
import shutil
import subprocess
import tempfile
from pathlib import Path

from PIL import Image

TARGET = Path(__file__).parent / "site"
WIDTHS = (1400, 390)  # pixels
GAP = 24  # pixels, around and between the two
FRAMES = """<!doctype html><title>screenshot</title>
<style>body {{ margin: 0; background: #8a93a0; overflow: hidden; }}
iframe {{ border: 0; position: absolute; top: {gap}px; }}</style>{frames}"""
EMPTY = ("Nothing: all files", "Nothing: the last run", "There is no mosaic")
SCHEMES = {"light": (), "dark": ("--blink-settings=preferredColorScheme=0",)}


def newest(folder: Path) -> Path:
    """Return the page of the newest generation with pictures, or of the newest."""
    pages = sorted(folder.glob("generations/*.html"), key=lambda path: -int(path.stem))
    return next((page for page in pages if 'id="pictures"' in page.read_text()), pages[0])


def largest(folder: Path, pattern: str) -> Path:
    """Return the page that says most."""
    return max(sorted(folder.glob(pattern)), key=lambda path: path.stat().st_size)


def pages_of(folders: list[Path]) -> dict[str, Path]:
    """Return a page of each type; fixed pages from the first folder in which they are not empty."""
    first = folders[0]
    pages = {
        "index": first / "index.html",
        "generation": newest(first),
        "program": largest(first, "programs/*.html"),
        "observation": largest(first, "observations/*.html"),
        "product": largest(first, "products/*-o*_t*.html"),
    }
    for name in ("attention", "mosaics", "releases", "cite"):
        paths = [folder / f"{name}.html" for folder in folders]
        said = [path for path in paths if not any(words in path.read_text() for words in EMPTY)]
        pages[name] = (said or paths)[0]
    return pages


def photograph(page: Path, scheme: str, height: int, scale: float) -> Image.Image:
    """Return the page in both widths, beside each other; `height` in pixels of the page."""
    lefts = (GAP, 2 * GAP + WIDTHS[0])
    frames = "".join(
        f'<iframe style="left:{left}px" width="{width}" height="{height}" '
        f'scrolling="no" src="{page.absolute().as_uri()}"></iframe>'
        for left, width in zip(lefts, WIDTHS, strict=True)
    )
    size = (sum(WIDTHS) + 3 * GAP, height + 2 * GAP)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "frames.html").write_text(FRAMES.format(gap=GAP, frames=frames))
        options = (
            *("--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"),
            *("--no-first-run", "--disable-background-networking", "--disable-sync"),
            *(f"--user-data-dir={folder / 'profile'}", "--virtual-time-budget=10000"),
            *(f"--window-size={size[0]},{size[1]}", f"--screenshot={folder / 'page.png'}"),
        )
        chromium = shutil.which("chromium") or shutil.which("google-chrome") or "chromium"
        command = [chromium, *options, *SCHEMES[scheme], (folder / "frames.html").as_uri()]
        subprocess.run(command, check=True, capture_output=True, timeout=120)
        with Image.open(folder / "page.png") as picture:
            shown = picture.convert("RGB").crop((0, 0, *size))
    return shown.resize((round(size[0] * scale), round(size[1] * scale)), Image.Resampling.LANCZOS)


def main() -> None:
    """Write the screenshots of all page types."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", nargs="+", type=Path, help="folders of sites")
    parser.add_argument("--target", type=Path, default=TARGET, help="where to write")
    parser.add_argument("--height", type=int, default=1500, help="pixels of a page that are shown")
    parser.add_argument("--scale", type=float, default=0.6, help="size of the picture")
    wishes = parser.parse_args()
    wishes.target.mkdir(parents=True, exist_ok=True)
    for name, page in pages_of(wishes.folders).items():
        for scheme in SCHEMES:
            picture = photograph(page, scheme, wishes.height, wishes.scale)
            picture.save(wishes.target / f"{name}-{scheme}.webp", quality=70, method=6)
        print(f"{name}: {page}")


if __name__ == "__main__":
    main()
