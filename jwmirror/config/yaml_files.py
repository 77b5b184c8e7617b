"""Strict reading of YAML: values as they are written, with their lines.

YAML 1.1, which most programs read, takes 012 for 10, 3:5 for 185 and 1_345 for 1345, and the last
of two equal keys replaces the first. YAML 1.2 does not agree. Such values are mistakes here. Keys
and dates are text, and 1e3 is a number.
"""

import json
import os
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from jwmirror.core.errors import ConfigError, did_you_mean, in_yaml
from jwmirror.core.files import MAX_CONFIG, read_bytes
from jwmirror.core.fits import check_yaml

ADVICE = (
    "write one with `jwmirror init PROGRAM`, go to the folder of your config, or give the file "
    "with --config FILE"
)
INTEGER, FLOAT, TIME = (f"tag:yaml.org,2002:{name}" for name in ("int", "float", "timestamp"))
MERGE = "tag:yaml.org,2002:merge"  # the key <<
DECIMAL = re.compile(r"[-+]?(0|[1-9][0-9]*)", re.ASCII)
REAL = re.compile(
    r"[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)(e[-+]?[0-9]+)?|[-+]?\.inf|\.nan", re.I | re.ASCII
)
CURLY = "\u2018\u2019\u201c\u201d\u201e\u00ab"  # quotes
CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")  # not line feed or tab

QUOTES = "put the text in quotes"
PROBLEMS = {  # parts of PyYAML's messages -> what is meant, and the next step
    "'\\t' that cannot start": "found a tab in the indent; use spaces",
    "mapping values are not allowed": (
        "found a colon where no key can be; correct the indent, add the colon of a key before it, "
        f"or {QUOTES}"
    ),
    "could not find expected ':'": "found a key without a colon; write `key: value`",
    "expected alphabetic or numeric character": f"found * or & at the start of a text; {QUOTES}",
    "undefined alias": f"found * at the start of a text; {QUOTES}",
    "that cannot start any token": f"found %, @ or ` at the start of a text; {QUOTES}",
    "expected ',' or ']'": "found a list that is not closed; close it with ], or set a comma",
    "expected ',' or '}'": "found a mapping that is not closed; close it with }, or set a comma",
    "expected <block end>": "found a line that is indented otherwise than those above; correct it",
    "another document": "found ---, which begins a second document; delete it",
    "end of stream": "found a quote that is not closed; close it",
    "expected the node content": "found a sign where a value belongs; correct it, or quote it",
}

YamlPath = tuple[str | int, ...]  # of a value: the keys and indices that lead to it


@dataclass(frozen=True)
class Written:
    """A value as it is written, and where."""

    place: str  # config.yaml, line 3
    text: str  # of a number, a word or a text; "" of a list or a mapping
    is_quoted: bool = False

    @property
    def in_words(self) -> str:
        """The place as people say it: line 3 of config.yaml; an option by itself."""
        source, comma, line = self.place.rpartition(", line ")
        return f"line {line} of {source}" if comma else self.place


class YamlMistake(NamedTuple):
    """A repeated key, or a value that programs read differently."""

    path: YamlPath
    message: str


@dataclass(frozen=True)
class YamlText:
    """The content of YAML text, how each value is written, and the mistakes in it."""

    value: Any
    written: Mapping[YamlPath, Written] = field(default_factory=dict)
    mistakes: tuple[YamlMistake, ...] = ()

    def place(self, path: YamlPath) -> str:
        """Return the beginning of a message on a value: "config.yaml, line 3: "; "" if unknown."""
        nearest = next((path[:i] for i in range(len(path), 0, -1) if path[:i] in self.written), ())
        return f"{self.written[nearest].place}: " if nearest in self.written else ""

    def places(self, section: str) -> dict[str, str]:
        """Return where each value of a section is, in words, by its path as people write it."""
        found: dict[str, str] = {}
        for path, written in self.written.items():
            if path[:1] == (section,):
                found[describe_path(path)] = written.in_words
        return found

    def locate(self, path: YamlPath, why: str) -> str:
        """Return a message on a value, with its place and path."""
        return f"{self.place(path)}{describe_path(path) or 'config'}: {why}"

    def placed(self, mistake: str) -> str:
        """Return a message that begins with the path of a value, with the place of it before it.

        One that begins with a place stays as it is.
        """
        if any(mistake.startswith(f"{written.place}: ") for written in self.written.values()):
            return mistake
        named = [path for path in self.written if _begins_with(mistake, describe_path(path))]
        return f"{self.place(max(named, key=len))}{mistake}" if named else mistake

    def shown(self, path: YamlPath, value: Any) -> str:
        """Return a value as people know it: numbers, yes and no as they are written."""
        if value is None:
            return "nothing"
        alone = self.written.get(path[:-1]) if path[-1:] == (0,) else None  # not written as a list
        written = self.written.get(path, alone)
        if written is None or isinstance(value, str) or not written.text:
            return in_yaml(value)
        is_other = isinstance(value, bool) and written.text != json.dumps(value)
        as_boolean = f", which YAML reads as {json.dumps(value)}" if is_other else ""
        return written.text + as_boolean


class _Loader(yaml.SafeLoader):
    """Splits YAML into nodes; numbers are recognised in all forms of YAML 1.1 and 1.2."""


_Loader.yaml_constructors = {  # None is for all other tags
    tag: yaml.SafeLoader.yaml_constructors[tag]
    for tag in (None, *(f"tag:yaml.org,2002:{name}" for name in ("str", "int", "bool", "null")))
}
_Loader.add_implicit_resolver(INTEGER, re.compile(r"[-+]?0[0-9_]+$"), list("-+0123456789"))
_Loader.add_implicit_resolver(
    FLOAT, re.compile(f"(?:{REAL.pattern})$", re.I), list("-+.0123456789")
)


def read_yaml(path: Path, advice: str = ADVICE) -> YamlText:
    """Return the content of a YAML file; ConfigError, with advice, if it cannot be read."""
    try:
        text = read_bytes(path, MAX_CONFIG).decode("utf-8")
    except OSError as err:
        names = os.listdir(path.parent) if path.parent.is_dir() else []
        near = did_you_mean(path.name, names) if isinstance(err, FileNotFoundError) else ""
        why = f"{path.absolute()}: {err.strerror}{near or ';'} {advice}"
        raise ConfigError([why]) from err
    except UnicodeDecodeError as err:
        why = "expected text in UTF-8, found other bytes; save it as plain text in UTF-8"
        raise ConfigError([f"{path.absolute()}: {why}, or name another file"]) from err
    return parse_yaml(text.expandtabs() if path.suffix == ".json" else text, str(path))


def parse_yaml(text: str, source: str, path: YamlPath = ()) -> YamlText:
    """Return the content of YAML text; `source` says where it is from.

    `path`: that of the value in the config, for one that is given on the command line.

    Raises:
        ConfigError: it is not YAML. Other mistakes are collected.
    """
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        reader = _Reader(loader, source, has_lines=not path)
        if node is None:
            return YamlText(None, {path: Written(source, "")})
        _check_aliases(text, source)
        value = reader.value(node, path)
    except yaml.YAMLError as err:
        mark = getattr(err, "problem_mark", None)
        number = mark.line if mark else 0
        line = f", line {number + 1}" if mark and not path else ""
        problem = _problem(err, text.splitlines()[: number + 1])
        raise ConfigError([f"{source}{line}: {problem}"]) from err
    except RecursionError as err:
        raise ConfigError([f"{source}: values are nested too deeply; correct it"]) from err
    return YamlText(value, reader.written, tuple(reader.mistakes))


def _problem(error: yaml.YAMLError, lines: Sequence[str]) -> str:
    """Return why text is not YAML, and the next step; `lines` end with that of the error."""
    spaces = [c for line in lines for c in line if c != " " and unicodedata.category(c) == "Zs"]
    if spaces:
        name = unicodedata.name(spaces[0]).lower()
        return (
            f"not YAML: found a {name} (U+{ord(spaces[0]):04X}); write a plain space in its place"
        )
    problem = str(getattr(error, "problem", None) or "characters that are not text")
    for part, words in PROBLEMS.items():
        if part in problem:
            return f"not YAML: {words}"
    return f"not YAML: {problem}; correct this line or one before it"


def _check_aliases(text: str, source: str) -> None:
    """Raise ConfigError if the aliases in YAML text (*name) repeat too much, or themselves."""
    try:
        if "*" in text:
            check_yaml(text)
    except ValueError as err:
        raise ConfigError([f"{source}: {err}; write the values without aliases (*name)"]) from err


class _Reader:
    """Builds values from the nodes of one text, and collects how they are written."""

    def __init__(self, loader: _Loader, source: str, has_lines: bool):
        self._loader, self._source, self._has_lines = loader, source, has_lines
        self._known: dict[int, Any] = {}  # by node, which an alias (*name) repeats
        self.written: dict[YamlPath, Written] = {}
        self.mistakes: list[YamlMistake] = []

    def value(self, node: yaml.Node, path: YamlPath) -> Any:
        """Return the value of a node."""
        text, is_quoted = ("", False)
        if isinstance(node, yaml.ScalarNode):
            text, is_quoted = node.value, node.style is not None
        self.written[path] = Written(self._place(node), text, is_quoted)
        if id(node) not in self._known:
            self._known[id(node)] = self._built(node, path)
        return self._known[id(node)]

    def _built(self, node: yaml.Node, path: YamlPath) -> Any:
        if isinstance(node, yaml.MappingNode):
            return {key: self.value(value, (*path, key)) for key, value in self._items(node, path)}
        if isinstance(node, yaml.SequenceNode):
            return [self.value(element, (*path, i)) for i, element in enumerate(node.value)]
        if why := _why_ambiguous(node) or _why_unprintable(node):
            self._add_mistake(node, path, why)
            return node.value
        return self._scalar(node, path) if isinstance(node, yaml.ScalarNode) else None

    def _scalar(self, node: yaml.ScalarNode, path: YamlPath) -> Any:
        if node.tag == FLOAT:
            return float(node.value.lower().replace(".inf", "inf").replace(".nan", "nan"))
        try:
            if node.tag != TIME:
                return self._loader.construct_object(node)
            self._loader.construct_yaml_timestamp(node)
        except ValueError:
            self._add_mistake(node, path, no_day(node.value))
        except (KeyError, AttributeError):  # of a tag: !!bool maybe
            self._add_mistake(node, path, f"found {node.value} with a tag; delete the tag")
        return node.value

    def _items(self, node: yaml.MappingNode, path: YamlPath) -> Iterator[tuple[str, yaml.Node]]:
        """Yield the keys of a mapping, as text, with their values; a repeated key is a mistake."""
        lines: dict[str, int] = {}
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                self._add_mistake(key, path, "found a list or mapping as a key, expected a name")
            elif why := _why_unprintable(key):
                self._add_mistake(key, (*path, key.value), why)
            elif key.tag != MERGE and key.value in lines:
                first = f"the key is already in line {lines[key.value]}"
                self._add_mistake(key, (*path, key.value), f"{first}; merge the two, or delete one")
            lines.setdefault(str(key.value), key.start_mark.line + 1)
        self._loader.flatten_mapping(node)
        yield from ((str(key.value), value) for key, value in node.value)

    def _add_mistake(self, node: yaml.Node, path: YamlPath, why: str) -> None:
        where = f"{self._place(node)}: {describe_path(path) or 'value'}"
        self.mistakes.append(YamlMistake(path, f"{where}: {why}"))

    def _place(self, node: yaml.Node) -> str:
        line = f", line {node.start_mark.line + 1}" if self._has_lines else ""
        return f"{self._source}{line}"


def describe_path(path: YamlPath) -> str:
    """Return the path of a value as people write it: programs[0].observations; "" at the top."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).lstrip(
        "."
    )


def _begins_with(message: str, path: str) -> bool:
    """Return whether a message begins with a path, or with a longer one."""
    return message.startswith(path) and message[len(path) : len(path) + 1] in (".", "[", ":", " ")


def no_day(text: str) -> str:
    """Return words for a day that does not exist."""
    return f"found {text}, which is not a date; expected one such as 2025-11-01"


def _why_unprintable(node: yaml.Node) -> str:
    """Return why a text is a mistake: it acts on terminals, or has no encoding; "" if not.

    Or it is in quotes of a word processor, which would be a part of it.
    """
    if isinstance(node, yaml.ScalarNode) and node.value[:1] in CURLY and node.value:
        return f'found {node.value} in curly quotes; write straight ones: "{node.value[1:-1]}"'
    has_control = isinstance(node, yaml.ScalarNode) and CONTROL.search(node.value)
    return f"found {node.value!r} with control characters; delete them" if has_control else ""


def _why_ambiguous(node: yaml.Node) -> str:
    """Return why a number is a mistake that programs read differently; "" if they do not."""
    text = node.value
    if node.tag not in (INTEGER, FLOAT):
        return ""
    if (DECIMAL if node.tag == INTEGER else REAL).fullmatch(text):
        return ""
    near = text.replace("_", "").lstrip("0")
    form = near if near.isdecimal() else f'a number in decimal digits, or, for text, "{text}"'
    return f"found {text}: some YAML software reads it as another number; write {form}"
