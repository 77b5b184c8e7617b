"""Sphinx: how `make docs` turns the pages in build/pages into the site in build/site."""

import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]

project = "jwmirror"
version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]

extensions = ["myst_parser"]
myst_heading_anchors = 4  # links to headings, as where the repository is hosted
smartquotes = False  # options keep their two hyphens
add_module_names = False  # `Objects`, not `jwmirror.store.objects.Objects`
python_maximum_signature_line_length = 80
suppress_warnings = ["ref.python"]  # a type of one name in two modules: its link may go to either
highlight_language = "none"  # of blocks that name no language

html_theme = "furo"  # loads nothing from other servers
html_title = f"jwmirror {version}"
html_show_copyright = False
html_copy_source = False
