"""The pages of programs and observations, and the releases of exclusive data. Pure."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence

from jwmirror.core.grouping import group_by
from jwmirror.core.model import UPSTREAM
from jwmirror.core.names import INSTRUMENTS, exposure_count, is_exposure_root, parse_combined
from jwmirror.report.formatting import count, exclusive_count
from jwmirror.report.site import addresses
from jwmirror.report.site.records import (
    FileLink,
    Link,
    NoticeGroup,
    ObservationPage,
    ObservationSummary,
    ProgramPage,
    ProgramSummary,
    ReleaseDay,
    RootFiles,
    VersionCount,
)
from jwmirror.services.inspect.answers.exclusive import NOT_KNOWN, UNTIL
from jwmirror.services.site.shown_rows import ShownRow

Place = tuple[str, str]  # folders of program and observation
Groups = Mapping[Place, Sequence[NoticeGroup]]
PageOf = Callable[[str], str]  # of a root: the address of its page, or ""
MadeBy = Callable[[str], tuple[str, str]]  # of a key: version of jwst, and day
MOST_LINES = 600  # of an observation
MOST_OBSERVATIONS = 2_500  # pages
PLAIN = (UNTIL, NOT_KNOWN)  # begin what the columns of a release say already
UNKNOWN = "9999"  # a day after all others
NAMED = 4  # values in a cell


def by_place(rows: Iterable[ShownRow]) -> dict[Place, list[ShownRow]]:
    """Return the rows of each observation, in order."""
    return dict(sorted(group_by(rows, lambda row: row.place).items()))


def observation_summary(
    place: Place,
    rows: Sequence[ShownRow],
    groups: Sequence[NoticeGroup],
    has_page: bool,
    hidden: int = 0,
) -> ObservationSummary:
    """Return one line on an observation."""
    upstream = [row for row in rows if row.is_upstream]
    results = {(row.origin, row.key): row.quality for row in rows if row.key}
    counts = Counter(results.values())
    return ObservationSummary(
        program=place[0],
        observation=place[1],
        page=addresses.observation_address(*place) if has_page else "",
        instruments=_some(row.instrument for row in upstream),
        filters=_some(row.filters for row in upstream),
        files=len(rows),
        bytes=sum(row.size for row in rows),
        cal_ver=_some(row.cal_ver for row in upstream),
        crds_ctx=_some(row.crds_ctx for row in upstream),
        recipes=_some(row.origin for row in rows if row.key),
        qualities=", ".join(f"{number:,} {word}" for word, number in sorted(counts.items())),
        attention=sum(group.number for group in groups if group.level != "note"),
        exclusive=_until(upstream),
        exposures=exposure_count(row.root for row in upstream),
        hidden=hidden,
    )


def _until(rows: Iterable[ShownRow]) -> str:
    """Return until when files of MAST are exclusive, in words; "" if none is."""
    days = Counter(row.release for row in rows if row.is_exclusive)
    unknown = days.pop("", 0)
    known = [f"until {max(days)}"] if days else []
    if unknown:
        known.append(f"{count(unknown, 'file')} without a known date")
    return "; ".join(known)


def _some(values: Iterable[str]) -> str:
    """Return the different values in order; of many, the first, and how many more."""
    found = sorted({value for value in values if value})
    more = f" and {len(found) - NAMED} more" if len(found) > NAMED else ""
    return ", ".join(found[:NAMED]) + more


def observation_page(
    summary: ObservationSummary,
    rows: Sequence[ShownRow],
    groups: Sequence[NoticeGroup],
    releases: Sequence[ReleaseDay],
    neighbours: tuple[Place | None, Place | None],
    page_of: PageOf,
    made_by: MadeBy,
    hidden: int,
    is_public: bool,
) -> ObservationPage:
    """Return the page of an observation; `rows` are those that the site may show."""
    groups_of_files = files_by_root(rows)
    shown = [root_line(each, page_of, made_by, is_public) for each in groups_of_files[:MOST_LINES]]
    kinds = {line.root: _kind(line.root) for line in shown}
    versions = Counter(
        (row.suffix, row.sdp_ver, row.cal_ver, row.crds_ctx)
        for row in rows
        if row.is_upstream and (row.cal_ver or row.sdp_ver)
    )
    return ObservationPage(
        program=summary.program,
        observation=summary.observation,
        program_page=addresses.program_address(summary.program),
        earlier=_link(neighbours[0]),
        later=_link(neighbours[1]),
        summary=summary,
        combined=tuple(line for line in shown if kinds[line.root] == "combined"),
        exposures=tuple(line for line in shown if kinds[line.root] == "exposure"),
        others=tuple(line for line in shown if kinds[line.root] == "other"),
        left_out=len(groups_of_files) - len(shown),
        hidden=hidden,
        versions=tuple(
            VersionCount(
                suffix=suffix, sdp_ver=sdp_ver, cal_ver=cal_ver, crds_ctx=context, files=files
            )
            for (suffix, sdp_ver, cal_ver, context), files in sorted(versions.items())
        ),
        groups=tuple(groups),
        releases=tuple(releases),
    )


def _kind(root: str) -> str:
    """Return which of the three tables of an observation shows a root."""
    if is_exposure_root(root):
        return "exposure"
    name = parse_combined(root)
    return "combined" if name and name.instrument in INSTRUMENTS else "other"


def _link(place: Place | None) -> Link | None:
    return place and Link(words=" ".join(place), page=addresses.observation_address(*place))


def files_by_root(rows: Iterable[ShownRow]) -> list[list[ShownRow]]:
    """Return the rows of each root and origin, those of MAST before those of recipes."""
    groups = group_by(rows, lambda row: (row.root, row.origin != UPSTREAM, row.origin))
    return [group for _, group in sorted(groups.items())]


def root_line(
    rows: Sequence[ShownRow], page_of: PageOf, made_by: MadeBy, is_public: bool
) -> RootFiles:
    """Return a line on the files of one root; a public site has no links to exclusive files."""
    first = rows[0]
    made = [made_by(row.key) if row.key else (row.cal_ver, row.made) for row in rows]
    days = group_by(zip(rows, made, strict=True), lambda each: each[1][1])
    marks = Counter(mark for row in rows for mark in row.marks)
    return RootFiles(
        root=first.root,
        origin=first.origin,
        files=tuple(
            FileLink(_label(row), "" if is_public and row.is_closed else row.path) for row in rows
        ),
        cal_ver=_some(version for version, _ in made),
        crds_ctx=_some(row.crds_ctx for row in rows),
        made=tuple(_day_of(day, group, rows) for day, group in sorted(days.items()) if day),
        quality=", ".join(dict.fromkeys(row.quality for row in rows if row.quality)),
        marks=tuple(
            mark if number == len(rows) else f"{mark} ({number} of {len(rows)})"
            for mark, number in marks.items()
        ),
        page=page_of(first.root),
        bytes=sum(row.size for row in rows),
        number=len(rows),
    )


def _day_of(day: str, group: Sequence[tuple[ShownRow, object]], rows: Sequence[ShownRow]) -> str:
    """Return a day, with the kinds of files that were made then if others were made elsewhen."""
    kinds = ", ".join(_label(row) for row, _ in group)
    return day if len(group) == len(rows) else f"{day}: {kinds}"


def _label(row: ShownRow) -> str:
    extension = row.filename.rpartition(".")[2]
    plain = extension in ("fits", row.suffix) or not row.suffix
    return (row.suffix or row.filename) if plain else f"{row.suffix}.{extension}"


# ---- programs --------------------------------------------------------------------------------


def program_summaries(
    observations: Sequence[ObservationSummary], rows: Iterable[ShownRow]
) -> tuple[ProgramSummary, ...]:
    """Return one line on each program."""
    rows = list(rows)
    exclusive = Counter(row.program for row in rows if row.is_exclusive)
    made = Counter(row.program for row in rows if row.is_made_from_exclusive)
    return tuple(
        ProgramSummary(
            program=program,
            page=addresses.program_address(program),
            observations=sum(1 for each in group if each.observation != "pool"),
            files=sum(each.files for each in group),
            bytes=sum(each.bytes for each in group),
            recipes=_some(name for each in group for name in each.recipes.split(", ")),
            attention=sum(each.attention for each in group),
            exclusive=exclusive_count(exclusive[program], made[program]),
        )
        for program, group in sorted(group_by(observations, lambda each: each.program).items())
    )


def program_page(
    program: str,
    observations: Sequence[ObservationSummary],
    groups: Sequence[NoticeGroup],
    releases: Sequence[ReleaseDay],
    programs: Sequence[str],
) -> ProgramPage:
    """Return the page of a program; `programs` are all of them, in order."""
    place = programs.index(program)
    before, after = programs[:place], programs[place + 1 :]
    shown = tuple(observations[:MOST_OBSERVATIONS])
    return ProgramPage(
        program=program,
        earlier=_program_link(before[-1]) if before else None,
        later=_program_link(after[0]) if after else None,
        observations=shown,
        groups=tuple(groups),
        releases=tuple(releases),
        left_out=len(observations) - len(shown),
    )


def _program_link(program: str) -> Link:
    return Link(words=program, page=addresses.program_address(program))


# ---- releases --------------------------------------------------------------------------------


def release_calendar(rows: Iterable[ShownRow]) -> tuple[ReleaseDay, ...]:
    """Return when exclusive files become public, by day and observation; unknown days are last.

    Files that recipes made from exclusive data are counted with those of MAST.
    """
    exclusive = [row for row in rows if row.is_closed]
    groups = group_by(exclusive, lambda row: (row.release or UNKNOWN, row.place, _remark(row)))
    return tuple(
        _release("" if day == UNKNOWN else day, place, remark, group)
        for (day, place, remark), group in sorted(groups.items())
    )


def _remark(row: ShownRow) -> str:
    """Return what is to be said of the access to a file of MAST besides the day."""
    return "" if row.key or row.access.startswith(PLAIN) else row.access


def _release(day: str, place: Place, remark: str, rows: Sequence[ShownRow]) -> ReleaseDay:
    kinds = Counter(_label(row) for row in rows if row.is_upstream)
    return ReleaseDay(
        day=day,
        remark=remark,
        program=place[0],
        observation=place[1],
        page=addresses.observation_address(*place),
        files=sum(kinds.values()),
        kinds=", ".join(f"{number:,} {kind}" for kind, number in sorted(kinds.items())),
        made=sum(1 for row in rows if row.key),
    )
