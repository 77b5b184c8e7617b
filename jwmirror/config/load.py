"""The config: read, checked by its schema and by rules across keys, and returned as a record."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from jwmirror.config.job_limits import job_limits
from jwmirror.config.recipes.own_files import own_file_mistakes
from jwmirror.config.recipes.parameter_files import ParameterPart
from jwmirror.config.recipes.parameter_places import places_of_parameters
from jwmirror.config.recipes.recipes import CheckerOf, Recipes
from jwmirror.config.schema_errors import StrictValidator, describe_error
from jwmirror.config.schema_form import in_schema_form
from jwmirror.config.searches import KEYS_OF_SEARCH, is_search, search_mistakes, search_of
from jwmirror.config.selections import empty_ranges, expand_numbers, value_mistakes
from jwmirror.config.sources import read_sources, with_site
from jwmirror.config.thresholds import threshold_mistakes
from jwmirror.config.workflow_files import SCHEMA, workflow_folder
from jwmirror.config.yaml_files import Written, YamlText, describe_path
from jwmirror.core.errors import ConfigError
from jwmirror.core.model import Recipe, Selection
from jwmirror.core.model.history.run_summary import Notification
from jwmirror.core.model.parameters import ParameterPlace
from jwmirror.core.model.plan import JobLimits
from jwmirror.core.model.recipe import ReferencePolicy
from jwmirror.core.model.search import ANY_PROGRAM, Search
from jwmirror.pipeline.installed import why_not_recalibrating

SET = "--set"  # the option of commands
SECTIONS = ("archive", "references", "calibrate", "settle", "limits")
TRACED = ("recipes", "programs", "set")  # sections whose lines are recorded with generations
SWITCHES = ("guide_stars", "previews", "auxiliary")  # of a program
MIRROR_ONLY = "; or remove `recipes`, to mirror without recalibrating"


@dataclass(frozen=True, kw_only=True)
class Config:
    """A checked config; paths are as the user wrote them."""

    mirror: Path
    archive_url: str
    polls: bool  # a run asks the archive; else it uses what the mirror has
    cloud_url: str | None  # of the public copy, if public files are downloaded from it
    downloads: int
    keep_free: int  # bytes
    group: str | None  # may read exclusive-access files
    references: ReferencePolicy
    jobs: JobLimits
    scratch: str  # folder of a compute node, with variables; "": none
    timeout_s: int
    vanish_limit: float  # fraction of a program's mirrored products
    accept_vanished: tuple[int, ...]  # programs
    accept_refused: tuple[str, ...]  # patterns of file names
    recheck: int  # bytes that one run may read again of files that MAST lists without a checksum
    when_deselected: str  # keep or drop
    wait: bool  # for another run on the same mirror
    settle_days: float
    accept_unsettled: tuple[str, ...]  # programs, and patterns of product names
    thresholds: Path | None  # the user's, over the shipped ones
    strict: bool  # a run with caveats that are not accepted ends with an error
    pictures_s: float  # that a run may draw
    max_fetch_gb: float | None  # that one run fetches; None: accepted for this run
    max_results: int | None  # that one run computes; None: accepted for this run
    selections: tuple[Selection, ...]  # by the number of a program
    searches: tuple[Search, ...]
    recipes: tuple[Recipe, ...]
    content: Mapping[str, Any]  # as the files and options have it, in the form of the schema
    places: Mapping[str, str]  # path of a value (recipes.deep.stages) -> where it is, in words
    parts: tuple[ParameterPart, ...]  # parameters of recipes as they are written
    parameter_places: tuple[ParameterPlace, ...]  # of one recipe and name, what overrides first
    notes: tuple[str, ...]  # on parameters, if they were checked
    notifications: tuple[Notification, ...]  # commands that get the summary of each run
    token_variable: str  # of the environment
    token: str | None = field(default=None, repr=False)  # from the environment, for the archive

    @property
    def cache(self) -> Path:
        """The folder of the reference cache."""
        return Path(self.references.cache)

    @property
    def recorded(self) -> dict[str, Any]:
        """The content that all may read; a command of `notify` may have an address that is secret.

        It is recorded with generations, and is in bags.
        """
        return {key: value for key, value in self.content.items() if key != "notify"}

    @property
    def criteria(self) -> tuple[Selection, ...]:
        """The selections, and those of what searches find, which are of ANY_PROGRAM."""
        return (*self.selections, *(search.criteria for search in self.searches))


def read_content(path: Path, settings: Sequence[str] = ()) -> YamlText:
    """Return the content of a YAML file.

    `settings` (deep.detector1.jump.skip=true) override those under `set` in the file.

    Raises:
        ConfigError: it cannot be read.
    """
    content = read_sources([Path(path)])
    return _with_settings(content, settings)


def build_config(content: YamlText, checker_of: CheckerOf | None = None) -> Config:
    """Return the config that the content of files describes, and the site file that it names.

    `checker_of` returns the check of recipes' parameters, which imports jwst and takes seconds;
    without it, parameters are not checked.

    Raises:
        ConfigError: lists the ambiguous values and repeated keys; without any, all other mistakes.
    """
    content = with_site(content)
    if content.mistakes:
        raise ConfigError([mistake.message for mistake in content.mistakes])
    raw = in_schema_form(content.value, schema())
    mistakes = [
        mistake
        for error in StrictValidator(schema()).iter_errors(raw)
        for mistake in describe_error(error, content)
    ]
    if not isinstance(raw, Mapping):
        raise ConfigError(mistakes)
    recipes = Recipes(raw.get("recipes"), raw.get("set"), raw.get("environments"))
    if raw.get("recipes") and (why := why_not_recalibrating("recipes: recalibration", MIRROR_ONLY)):
        mistakes.append(why)
        checker_of = None  # which imports jwst
    mistakes += _criteria_mistakes(raw)
    mistakes += recipes.check(raw.get("programs"), checker_of)
    mistakes += own_file_mistakes(raw.get("recipes")) if checker_of else ()
    mistakes += threshold_mistakes(raw.get("thresholds"))
    mistakes += _cache_mistakes(raw)
    if mistakes:
        raise ConfigError(sorted({content.placed(mistake) for mistake in mistakes}))
    return _config(raw, recipes, content)


def token_variable(content: YamlText) -> str:
    """Return the name of the environment variable with the token, also if there are mistakes."""
    archive = content.value.get("archive") if isinstance(content.value, Mapping) else None
    name = archive.get("token_env") if isinstance(archive, Mapping) else None
    spec = schema()["properties"]["archive"]["properties"]["token_env"]
    is_name = isinstance(name, str) and re.search(spec["pattern"], name)
    return str(name if is_name else spec["default"])


@cache
def schema() -> dict[str, Any]:
    """Return the JSON schema of a config."""
    text = (workflow_folder() / SCHEMA).read_text()
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # in C: ten times as fast
    content: dict[str, Any] = yaml.load(text, loader)  # noqa: S506, both are safe
    return content


def _with_settings(content: YamlText, settings: Sequence[str]) -> YamlText:
    raw = content.value
    if not settings or not isinstance(raw, Mapping):
        return content
    own = raw.get("set") or []
    own = [own] if isinstance(own, str) else own
    written = dict(content.written)
    written.update({("set", n): Written(SET, each) for n, each in enumerate(settings, len(own))})
    return replace(content, value={**raw, "set": [*own, *settings]}, written=written)


# ---- records ---------------------------------------------------------------------------------


def _config(raw: Mapping, recipes: Recipes, text: YamlText) -> Config:
    archive, references, calibrate, settle, limits = [_with_defaults(raw, s) for s in SECTIONS]
    entries = {n: (entry, _selection(entry)) for n, entry in enumerate(raw["programs"])}
    searches = tuple(
        search_of(entry, f"{text.place(('programs', n))}programs[{n}]", selection)
        for n, (entry, selection) in entries.items()
        if is_search(entry)
    )
    selections = tuple(each for entry, each in entries.values() if not is_search(entry))
    programs = tuple(each.program for _, each in entries.values())
    return Config(
        mirror=Path(raw.get("mirror", "mirror")),
        archive_url=archive["url"],
        polls=archive["source"] != "none",
        cloud_url=archive["cloud_url"] if archive["source"] == "cloud" else None,
        downloads=archive["downloads"],
        keep_free=round(archive["keep_free_gb"] * 1e9),
        group=archive["group"],
        references=_reference_policy(references),
        jobs=job_limits(calibrate, raw.get("partitions") or {}),
        scratch=calibrate["scratch"] or "",
        timeout_s=calibrate["timeout"],
        vanish_limit=archive["vanish_limit"],
        accept_vanished=_listed(raw.get("accept_vanished", ())),
        accept_refused=tuple(archive["accept_refused"]),
        recheck=round(archive["recheck_gb_per_run"] * 1e9),
        when_deselected=raw.get("when_deselected", "keep"),
        wait=raw.get("wait", False),
        settle_days=settle["days"],
        accept_unsettled=tuple(map(str, settle["accept"])),
        thresholds=Path(raw["thresholds"]) if raw.get("thresholds") else None,
        strict=raw.get("strict", False),
        pictures_s=raw.get("pictures_s", 120.0),
        max_fetch_gb=None if "fetch" in raw.get("accept", ()) else limits["fetch_gb"],
        max_results=None if "results" in raw.get("accept", ()) else limits["results"],
        selections=selections,
        searches=searches,
        recipes=recipes.records(() if ANY_PROGRAM in programs else programs),
        content=raw,
        places={p: place for section in TRACED for p, place in text.places(section).items()},
        parts=recipes.used_parts(),
        parameter_places=tuple(places_of_parameters(text, recipes.used_parts())),
        notes=tuple(dict.fromkeys(recipes.notes)),
        notifications=tuple(map(_notification, raw.get("notify", ()))),
        token_variable=archive["token_env"],
    )


def _reference_policy(given: Mapping) -> ReferencePolicy:
    of_gaia = schema()["properties"]["references"]["properties"]["gaia"]
    gaia = _defaults(of_gaia) | dict(given["gaia"])
    return ReferencePolicy(
        url=given["url"],
        context=given["context"],
        on_new_context=given["on_new_context"],
        cache=given["cache"],
        gaia_url=gaia["url"],
        gaia_refresh=None if gaia["refresh"] == "never" else gaia["refresh"],
    )


def _notification(raw: Mapping) -> Notification:
    properties = schema()["properties"]["notify"]["items"]["properties"]
    given = {key: raw.get(key, spec.get("default")) for key, spec in properties.items()}
    return Notification(
        command=tuple(given["command"]),
        exclusive=given["exclusive"],
        unchanged=given["unchanged"],
        timeout_s=given["timeout"],
    )


def _listed(value: int | Sequence[int]) -> tuple[int, ...]:
    return (value,) if isinstance(value, int) else tuple(value)


def _with_defaults(raw: Mapping, section: str) -> dict[str, Any]:
    """Return a section of the config with the schema's defaults for missing keys."""
    return _defaults(schema()["properties"][section]) | dict(raw.get(section) or {})


def _defaults(section: Mapping) -> dict[str, Any]:
    return {key: spec["default"] for key, spec in section["properties"].items()}


def _selection(raw: Mapping) -> Selection:
    criteria: dict[str, Any] = {key: raw[key] for key in SWITCHES if key in raw}
    lists = {key: value for key, value in raw.items() if key not in KEYS_OF_SEARCH}
    criteria |= {key: tuple(value) for key, value in lists.items() if isinstance(value, list)}
    if "observations" in raw:
        numbers = {n for item in raw["observations"] for n in expand_numbers(item)}
        criteria["observations"] = tuple(sorted(numbers))
    if "observed" in raw:
        criteria["observed"] = tuple(raw["observed"].get(key, "") for key in ("from", "to"))
    return Selection(program=raw.get("program", ANY_PROGRAM), **criteria)


# ---- mistakes --------------------------------------------------------------------------------


def _cache_mistakes(raw: Mapping) -> Iterator[str]:
    """Yield that the folder of the references is a file, if it is."""
    references = raw.get("references")
    cache = references.get("cache") if isinstance(references, Mapping) else None
    if isinstance(cache, str) and Path(cache).is_file():
        why = f"expected a folder, found the file {Path(cache).absolute()}; name another"
        yield f"references.cache: {why}"


def _criteria_mistakes(raw: Mapping) -> Iterator[str]:
    """Yield days that do not exist, ranges that contain nothing, and values that nothing has.

    The values of recipes are checked with their parameters.
    """
    programs, recipes = raw.get("programs"), raw.get("recipes")
    listed = enumerate(programs if isinstance(programs, list) else ())
    named = (recipes if isinstance(recipes, Mapping) else {}).items()
    for section, items in (("programs", listed), ("recipes", named)):
        for key, criteria in items:
            if not isinstance(criteria, Mapping):
                continue
            for path, why in empty_ranges(criteria):
                yield f"{describe_path((section, key, *path))}: {why}"
            if section == "programs":
                for path, why in search_mistakes(criteria):
                    yield f"{describe_path((section, key, *path))}: {why}"
                yield from value_mistakes(f"{section}[{key}]", criteria)
