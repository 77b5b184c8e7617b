"""Write the pages of the site into build/pages: `python docs/pages.py`.

The pages are those of docs/, some of the repository's root, one of all commands and options, and
one of the Python API per package. The API is read from the source, so that a new or moved module
needs no entry anywhere.
"""

import ast
import json
import posixpath
import re
import shutil
import textwrap
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from options import options_page

ROOT = Path(__file__).parents[1]
PAGES = ROOT / "build" / "pages"
PACKAGES = ("jwmirror", "jwmirror_simulator")
ROOT_PAGES = {  # file of the repository -> page of the site
    "README.md": "overview.md",
    "config/README.md": "config.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "vulnerabilities.md",
    "CHANGELOG.md": "changes.md",
}
CONTENTS = {  # caption -> pages with their titles, in the order of the site's navigation
    "Begin": (
        "Overview <overview>",
        "Tutorial <tutorial>",
    ),
    "How to": (
        "Change a parameter <howto/parameter>",
        "Exclusive data and tokens <howto/exclusive>",
        "Run on a cluster <cluster>",
        "Pin and export for a paper <howto/paper>",
        "Compare two versions of jwst <howto/versions>",
        "Upgrade jwst and jwmirror <upgrading>",
        "Write your own step <howto/own-step>",
        "Run single steps again <steps>",
        "Combine exposures your way <associations>",
        "Calibrate grism exposures <howto/grisms>",
        "Align mosaics to Gaia <gaia>",
        "Find programs by target or position <searches>",
        "Act on wrong references <references>",
        "Back up, move, restore, prune <keeping>",
        "Run every night, and be notified <notify>",
        "Find out what went wrong <errors>",
    ),
    "Reference": (
        "The config, key by key <config>",
        "Commands <commands>",
        "Every option <options>",
        "The site of a mirror <site>",
        "From Python <python>",
        "Notebook <notebook>",
        "Parameters <parameters>",
        "Modes <modes>",
        "What quality notices <quality-troubles>",
        "Mistakes and messages <mistakes>",
        "Glossary and suffixes <glossary>",
        "Changes <changes>",
    ),
    "Explanation": (
        "Reprocessed, out of date <reprocessing>",
        "Quality <quality>",
        "The store <store>",
        "Your data <data>",
        "Security <security>",
        "Reliability <reliability>",
        "Architecture <architecture>",
        "Benchmarks <benchmarks>",
        "Decisions <decisions/index>",
    ),
    "Develop": (
        "Contributing <contributing>",
        "Reporting vulnerabilities <vulnerabilities>",
        "Python API <api/index>",
    ),
}
LINK = re.compile(r"\[([^][]*)\]\(([^()\s]+)\)")
SECTION = re.compile(r"^(Args|Raises|Returns|Yields):\n((?:[ ]+.*\n?)+)", re.MULTILINE)


def main() -> None:
    """Write all pages; those of an earlier call are removed."""
    shutil.rmtree(PAGES, ignore_errors=True)
    for uri, text in all_pages().items():
        path = PAGES / uri
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    for path in [p for kind in ("png", "webp") for p in (ROOT / "docs").rglob(f"*.{kind}")]:
        copy = PAGES / path.relative_to(ROOT / "docs")
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy)


def all_pages() -> dict[str, str]:
    """Return the text of each page of the site."""
    docs = ROOT / "docs"
    sources = {path.relative_to(docs).as_posix(): path for path in docs.rglob("*.md")}
    sources |= {uri: ROOT / source for source, uri in ROOT_PAGES.items()}
    pages = {uri: _for_the_site(path, path.read_text(), uri) for uri, path in sources.items()}
    for path in docs.rglob("*.ipynb"):
        uri = path.relative_to(docs).with_suffix(".md").as_posix()
        pages[uri] = _for_the_site(path, notebook_page(json.loads(path.read_text())), uri)
    pages["index.md"] += "".join(_contents(names, caption) for caption, names in CONTENTS.items())
    decisions = sorted(uri for uri in pages if uri.startswith("decisions/"))
    names = [posixpath.basename(uri).removesuffix(".md") for uri in decisions]
    made = {"options.md": options_page(), "decisions/index.md": "# Decisions\n" + _contents(names)}
    return pages | made | api_pages()


def notebook_page(notebook: dict[str, Any]) -> str:
    """Return a notebook as Markdown: its cells, and the outputs that are recorded in it."""
    parts: list[str] = []
    for cell in notebook["cells"]:
        source = "".join(cell["source"])
        parts.append(source if cell["cell_type"] == "markdown" else f"```python\n{source}\n```")
        for output in cell.get("outputs", ()):
            lines = output.get("text") or output["data"]["text/plain"]
            parts.append(f"```\n{''.join(lines).rstrip()}\n```")
    return "\n\n".join(parts) + "\n"


def api_pages() -> dict[str, str]:
    """Return the pages of the API: an index, and one page per package."""
    packages = {".".join(folder.relative_to(ROOT).parts): folder for folder in _packages()}
    pages = {f"api/{name}.md": package_page(name, folder) for name, folder in packages.items()}
    return {"api/index.md": "# Python API\n" + _contents(packages), **pages}


def package_page(name: str, folder: Path) -> str:
    """Return the page of one package: its docstring, then its modules and their public members."""
    parts = [f"# {name}\n", _docstring(ast.parse((folder / "__init__.py").read_text()))]
    for path in sorted(folder.glob("[!_]*.py")):
        module = ast.parse(path.read_text())
        full = f"{name}.{path.stem}"
        parts += [f"## {path.stem}\n", f"```{{py:module}} {full}\n```\n", _docstring(module)]
        for member in _public(module):
            parts.append(_class(member) if isinstance(member, ast.ClassDef) else _function(member))
    return "\n".join(parts)


def _packages() -> Iterator[Path]:
    """Yield the folder of each package, parents first."""
    for package in PACKAGES:
        yield from sorted(init.parent for init in (ROOT / package).rglob("__init__.py"))


def _public(node: ast.Module | ast.ClassDef) -> Iterator[ast.ClassDef | ast.FunctionDef]:
    """Yield the classes and functions in a body whose names start with no underscore."""
    for member in node.body:
        if isinstance(member, ast.ClassDef | ast.FunctionDef) and member.name[0] != "_":
            yield member


def _class(node: ast.ClassDef) -> str:
    """Return the Sphinx directive of one class, with its public members inside."""
    members = [
        _function(member, node) for member in _public(node) if isinstance(member, ast.FunctionDef)
    ]
    body = "\n".join([_docstring(node), *members])
    return f"`````{{py:class}} {node.name}{_fields(node)}\n\n{body}\n`````\n"


def _function(node: ast.FunctionDef, owner: ast.ClassDef | None = None) -> str:
    """Return the Sphinx directive of one function, method or property."""
    marks = {ast.unparse(mark).rpartition(".")[2] for mark in node.decorator_list}
    returned = ast.unparse(node.returns) if node.returns else ""
    if marks & {"property", "cached_property"}:
        head = f"{{py:property}} {node.name}\n" + f":type: {returned}\n" * bool(returned)
    else:
        bound = owner and "staticmethod" not in marks
        arrow = f" -> {returned}" * bool(returned)
        kind = "method" if owner else "function"
        head = f"{{py:{kind}}} {node.name}({_arguments(node, bool(bound))}){arrow}\n"
        head += "".join(f":{mark}:\n" for mark in sorted(marks & {"classmethod", "staticmethod"}))
    return f"````{head}\n{_docstring(node)}\n````\n"


def _arguments(node: ast.FunctionDef, bound: bool) -> str:
    """Return the arguments as written, without `self` or `cls` if the function is bound."""
    text = ast.unparse(node.args)
    return text.partition(",")[2].strip() if bound else text


def _fields(node: ast.ClassDef) -> str:
    """Return the arguments of a class: those of `__init__`, else its annotated fields."""
    for member in node.body:
        if isinstance(member, ast.FunctionDef) and member.name == "__init__":
            return f"({_arguments(member, bound=True)})"
    fields = [ast.unparse(each) for each in node.body if isinstance(each, ast.AnnAssign)]
    return f"({', '.join(field for field in fields if field[0] != '_')})" if fields else ""


def _docstring(node: ast.Module | ast.ClassDef | ast.FunctionDef) -> str:
    """Return a docstring as Markdown: `Raises:` and the like become lists."""
    return SECTION.sub(_section, ast.get_docstring(node) or "") + "\n"


def _section(found: re.Match[str]) -> str:
    """Return the entries of a section, each of which starts at the smallest indentation."""
    lines = textwrap.dedent(found[2]).splitlines()
    entries = [line if line.startswith(" ") else f"- {line}" for line in lines]
    return f"**{found[1]}**\n\n" + "\n".join(entries) + "\n"


def _contents(names: Iterable[str], caption: str = "") -> str:
    """Return a table of contents; one with a caption is for the navigation only."""
    options = f":hidden:\n:caption: {caption}\n" if caption else ":maxdepth: 1\n"
    return "\n```{toctree}\n" + options + "\n" + "\n".join(names) + "\n```\n"


def _for_the_site(path: Path, text: str, uri: str) -> str:
    """Return the text of a page with its links set for the site."""
    source = path.relative_to(ROOT).as_posix()
    return LINK.sub(lambda link: _site_link(link, source, uri), text)


def _site_link(link: re.Match[str], source: str, uri: str) -> str:
    """Return a link of the repository as a link of the site; as text if the site lacks the file."""
    text, target = link.groups()
    path, hash_, anchor = target.partition("#")
    if "://" in target or not path:
        return link[0]
    there = posixpath.normpath(posixpath.join(posixpath.dirname(source), path))
    if not (ROOT / there).exists():
        return link[0]  # Sphinx reports it
    page = ROOT_PAGES.get(there) or re.sub(r"\.ipynb$", ".md", there.removeprefix("docs/"))
    if there == "docs/decisions":
        page = "decisions/index.md"
    elif page == there:
        return text
    return f"[{text}]({posixpath.relpath(page, posixpath.dirname(uri))}{hash_}{anchor})"


if __name__ == "__main__":
    main()
