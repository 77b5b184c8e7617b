"""Small packages that are installed in a folder, as pip installs them."""

import json
from base64 import urlsafe_b64encode
from hashlib import sha256
from pathlib import Path

NAME = "fitting"
SOURCES = {"__init__.py": "from .slope import fit\n", "slope.py": "def fit(x): return x\n"}
DATA = {"tests/test_slope.py": "assert fit(1)\n", "weights.json": "[1, 2]\n"}


def record_line(path: Path, root: Path) -> str:
    """The line of a file in RECORD, as pip writes it."""
    data = path.read_bytes()
    value = urlsafe_b64encode(sha256(data).digest()).decode().rstrip("=")
    return f"{path.relative_to(root)},sha256={value},{len(data)}\n"


def install(root: Path, name: str = NAME, release: str = "1.0", **direct: object) -> Path:
    """A package with its distribution in a folder; `direct` is pip's record of its origin."""
    package = root / name
    for path, text in (SOURCES | DATA).items():
        (package / path).parent.mkdir(parents=True, exist_ok=True)
        (package / path).write_text(text)
    info = root / f"{name}-{release}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {release}\n")
    files = sorted(path for path in package.rglob("*") if path.is_file())
    (info / "RECORD").write_text("".join(record_line(path, root) for path in files))
    if direct:
        (info / "direct_url.json").write_text(json.dumps(direct))
    return package
