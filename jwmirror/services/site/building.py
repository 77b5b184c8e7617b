"""The pages of one site, public or with exclusive data."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path

from jwmirror.core.grouping import group_by
from jwmirror.core.model.stored import Generation
from jwmirror.core.names import root_and_suffix
from jwmirror.report.site import addresses
from jwmirror.report.site.feeds import atom_feed, json_feed
from jwmirror.report.site.mosaic_advice import in_short
from jwmirror.report.site.mosaics import Mosaic
from jwmirror.report.site.records import (
    AttentionPage,
    CitationPage,
    IndexPage,
    NoticeGroup,
    ObservationSummary,
    ReleaseDay,
    ReleasesPage,
)
from jwmirror.services.inspect.answers.citation import cite_generation
from jwmirror.services.inspect.answers.methods import methods_paragraph
from jwmirror.services.inspect.answers.recommended import held_back_recipes
from jwmirror.services.site import observations as places
from jwmirror.services.site.attention import (
    PublicNames,
    groups_by_place,
    notice_groups,
    place_named,
)
from jwmirror.services.site.differences import DifferingFile
from jwmirror.services.site.feed_entries import feed_of
from jwmirror.services.site.generation_pages import (
    MOST_ON_TIMELINE,
    GenerationContext,
    generation_page,
    marks_of,
    parameter_change,
    timeline,
)
from jwmirror.services.site.page_files import PageFiles, SiteFolder
from jwmirror.services.site.pictures import SitePictures, draw_pictures, planned_pairs
from jwmirror.services.site.products import (
    MosaicContext,
    ProductEvents,
    changed_roots,
    events_by_root,
    mosaics_of,
    mosaics_page,
    product_page,
)
from jwmirror.services.site.shown_rows import ShownRow
from jwmirror.services.site.state import MirrorState

MOST_PROGRAMS = 300
MOST_RELEASES = 500  # lines
NEXT_RELEASES = 8  # on the index


class SiteBuilder:
    """Adds the pages of one site to its files; a public one gets public data only.

    Pictures are drawn for at most `budget_s` seconds; those of the `public` site are copied.
    """

    def __init__(
        self, state: MirrorState, folder: SiteFolder, budget_s: float, public: Path | None = None
    ):
        self._state, self._is_public = state, folder.is_public
        self._folder, self._budget_s, self._public = folder, budget_s, public
        self.pages = PageFiles(folder)
        self._rows = [row for row in state.rows if not self._is_hidden_row(row)]
        self._by_place = places.by_place(self._rows)
        self._hidden = Counter(row.place for row in state.rows if self._is_hidden_row(row))

    def build(self) -> int:
        """Write what differs from the pages that exist; return the number of pages written."""
        for file in self._pictures.files:
            self.pages.keep(file)
        self._add_generations()
        self._add_products()
        self._add_observations()
        self._add_single_pages()
        return self.pages.write()

    # ---- what the site may show ----------------------------------------------------------------

    def _is_hidden_row(self, row: ShownRow) -> bool:
        """Return whether a public site does not show a row: a result of exclusive data.

        MAST itself shows the names and release dates of its exclusive files.
        """
        return self._is_public and row.is_closed and not row.is_upstream

    @cached_property
    def _public_names(self) -> PublicNames:
        state = self._state
        return PublicNames(
            places=state.places, closed=state.closed_places, roots_of_mast=state.roots_of_mast
        )

    def _is_hidden_name(self, name: str) -> bool:
        """Return whether a public site does not show what is said of a file or product."""
        return self._is_public and self._public_names.hides(name)

    def _is_hidden_file(self, number: int, file: DifferingFile) -> bool:
        return self._is_public and self._state.is_closed(number, file)

    # ---- parts that several pages show ---------------------------------------------------------

    @cached_property
    def _differing(self) -> dict[int, list[DifferingFile]]:
        """The files that the site shows of those in which each generation differs, if known."""
        return {
            number: [file for file in found.files if not self._is_hidden_file(number, file)]
            for number, found in self._state.differing.items()
            if found
        }

    @cached_property
    def _events(self) -> dict[str, ProductEvents]:
        made_at = {each.number: each.made_at for each in self._state.history.generations}
        return events_by_root(
            (number, made_at[number], self._differing[number])
            for number in reversed(self._state.listed)
            if number in self._differing
        )

    @cached_property
    def _pictures(self) -> SitePictures:
        rows = [row for row in self._rows if not (self._is_public and row.is_closed)]
        planned = planned_pairs(rows, self._differing)
        locate = self._state.generations.objects.path
        return draw_pictures(planned, self._folder, locate, self._budget_s, self._public)

    @cached_property
    def _product_pages(self) -> dict[str, str]:
        """The addresses of the pages of products, by root."""
        roots = changed_roots(self._events, self._rows)
        return {root: addresses.product_address(root) for root in roots}

    @cached_property
    def _groups(self) -> tuple[NoticeGroup, ...]:
        return notice_groups(
            self._state.status, self._state.undecided, self._page_of_name, self._is_hidden_name
        )

    @cached_property
    def _groups_by_place(self) -> dict[places.Place, list[NoticeGroup]]:
        return groups_by_place(self._groups)

    @cached_property
    def _summaries(self) -> dict[places.Place, ObservationSummary]:
        with_page = set(list(self._by_place)[: places.MOST_OBSERVATIONS])
        return {
            place: places.observation_summary(
                place,
                rows,
                self._groups_by_place.get(place, ()),
                place in with_page,
                self._hidden[place],
            )
            for place, rows in self._by_place.items()
        }

    @cached_property
    def _releases(self) -> tuple[ReleaseDay, ...]:
        return places.release_calendar(self._rows)

    def _page_of_name(self, name: str) -> str:
        """Return the page of a file, product or observation that a notice names; "" without."""
        for root in _roots(name):
            if root in self._product_pages:
                return self._product_pages[root]
        place = place_named(name)
        return addresses.observation_address(*place) if place in self._by_place else ""

    # ---- pages ---------------------------------------------------------------------------------

    def _add_generations(self) -> None:
        listed = self._state.listed
        for earlier, number, later in zip(
            (None, *listed), listed, (*listed[1:], None), strict=False
        ):
            self._add_generation(self._state.generations.read(number), earlier, later)

    def _add_generation(
        self, generation: Generation, earlier: int | None, later: int | None
    ) -> None:
        state, number = self._state, generation.number
        differing, is_current = state.differing[number], number == state.current.number
        context = GenerationContext(
            history=state.history,
            earlier=earlier,
            later=later,
            product_pages=self._product_pages,
            current_paths={row.path: row.sha256 for row in self._rows} if is_current else {},
        )
        roots = (
            {root_and_suffix(f.path.rpartition("/")[2])[0] for f in differing.files}
            if differing
            else set()
        )
        linked = sorted(roots & self._product_pages.keys())
        what = (
            *(generation.manifest_sha256, marks_of(state.history, number), earlier, later),
            *(state.access_digest if self._is_public else "", linked),
            *(comparisons := self._pictures.of_generation(number)),
            waiting := self._pictures.waiting_of_generation(number),
        )
        address = addresses.generation_address(number)
        if not self.pages.is_current(address, what):
            page = generation_page(
                generation,
                differing,
                state.setup_of(number),
                context,
                state.results,
                partial(self._is_hidden_file, number),
                partial(state.details, number),
                comparisons,
                waiting,
                self._pictures.effects_in_generation(number),
            )
            self.pages.add(address, "generation.html", page, what)

    def _add_products(self) -> None:
        rows = group_by(self._rows, lambda row: row.root)
        for root, address in self._product_pages.items():
            of_root, events = rows.get(root, []), self._events.get(root, ProductEvents())
            doubtful = self._state.doubtful
            what = (
                of_root,
                [(number, each) for number, _, each in events.events],
                [doubtful[row.path].caveats for row in of_root if row.path in doubtful],
                self._input_pages(of_root),
                self._state.access_digest if self._is_public else "",
                comparisons := self._pictures.of_root(root),
                waiting := self._pictures.waiting_of_root(root),
            )
            if not self.pages.is_current(address, what):
                page = product_page(
                    root,
                    of_root,
                    events,
                    self._state.results,
                    self._state.doubtful,
                    self._product_pages,
                    comparisons,
                    self._pictures.weights_of_root(root),
                    waiting,
                    self._state.details,
                    self._is_public,
                )
                self.pages.add(address, "product.html", page, what)

    def _input_pages(self, rows: Iterable[ShownRow]) -> list[str]:
        """Return the pages of the inputs of results, to which their page has links."""
        records = map(self._state.results.record, sorted({row.key for row in rows if row.key}))
        inputs = [each.name for made in records if made for each in made.derivation.inputs]
        roots = {root_and_suffix(name)[0] for name in inputs}
        return sorted(roots & self._product_pages.keys())

    def _add_observations(self) -> None:
        with_page = [place for place, each in self._summaries.items() if each.page]
        releases = group_by(self._releases, lambda each: (each.program, each.observation))
        for before, place, after in zip(
            (None, *with_page), with_page, (*with_page[1:], None), strict=False
        ):
            page = places.observation_page(
                self._summaries[place],
                self._by_place[place],
                self._groups_by_place.get(place, ()),
                releases.get(place, ()),
                (before, after),
                lambda root: self._product_pages.get(root, ""),
                self._state.results.made_by,
                self._hidden[place],
                self._is_public,
            )
            self.pages.add(addresses.observation_address(*place), "observation.html", page)
        by_program = group_by(self._summaries.values(), lambda each: each.program)
        programs = list(by_program)
        for program, summaries in by_program.items():
            own = [about for group in self._groups if (about := _about(group, program)).notices]
            of_program = [each for each in self._releases if each.program == program]
            page_of_program = places.program_page(program, summaries, own, of_program, programs)
            self.pages.add(addresses.program_address(program), "program.html", page_of_program)

    def _add_single_pages(self) -> None:
        releases = self._releases[:MOST_RELEASES]
        in_all, number = len(self._releases), self._state.current.number
        page = ReleasesPage(
            releases=releases, in_all=in_all, files=self._exclusive, made=self._exclusive_made
        )
        self.pages.add(addresses.RELEASES, "releases.html", page)
        attention = AttentionPage(
            groups=self._groups, run=self._state.status.run or "", generation=number
        )
        self.pages.add(addresses.ATTENTION, "attention.html", attention)
        state = self._state
        of_mosaics = mosaics_page(
            state.rows, self._mosaics, state.recipe_order, self._is_hidden_row
        )
        self.pages.add(addresses.MOSAICS, "mosaics.html", of_mosaics)
        self._add_citation()
        feed = feed_of(self._state, self._groups, is_public=self._is_public)
        self.pages.add_text(addresses.ATOM, partial(atom_feed, feed), feed)
        self.pages.add_text(addresses.JSON_FEED, partial(json_feed, feed), feed)
        self.pages.add(addresses.INDEX, "index.html", self._index())

    @property
    def _exclusive(self) -> int:
        return sum(each.files for each in self._releases)

    @property
    def _exclusive_made(self) -> int:
        return sum(each.made for each in self._releases)

    @cached_property
    def _mosaics(self) -> tuple[Mosaic, ...]:
        context = MosaicContext(
            entries=self._state.doubtful,
            results=self._state.results,
            pages=self._product_pages,
            out_of_date=self._state.out_of_date,
            faults=self._state.mosaic_faults,
            order=self._state.recipe_order,
            held_back=held_back_recipes(
                each
                for each in self._state.status.look_at
                if not self._is_hidden_name(each.product)
            ),
            hidden=self._is_hidden_row,
            pictures=self._pictures.of_file,
            compared=self._pictures.of_recipes,
            is_public=self._is_public,
        )
        return mosaics_of(self._state.rows, context)

    def _index(self) -> IndexPage:
        state, rows = self._state, self._rows
        programs = places.program_summaries(tuple(self._summaries.values()), rows)
        qualities = Counter({(r.origin, r.key): r.quality for r in rows if r.key}.values())
        return IndexPage(
            generation=state.current.number,
            made_at=state.current.made_at,
            run=state.status.run or "",
            asked_at=state.status.last_poll.asked_at,
            files=len(rows),
            hidden=self._hidden.total(),
            bytes=sum(row.size for row in rows),
            qualities=dict(sorted(qualities.items())),
            groups=self._groups,
            timeline=timeline(state.history, state.listed),
            earlier=max(0, len(state.history.generations) - MOST_ON_TIMELINE),
            programs=programs[:MOST_PROGRAMS],
            programs_in_all=len(programs),
            releases=self._releases[:NEXT_RELEASES],
            releases_in_all=len(self._releases),
            exclusive=self._exclusive,
            exclusive_made=self._exclusive_made,
            mosaics=in_short(self._mosaics),
            parameter_change=parameter_change(state.history, state.listed, self._differing),
            recipes=tuple(sorted({row.origin for row in rows if row.key})),
        )

    def _add_citation(self) -> None:
        state = self._state
        what = (state.current.number, state.current.manifest_sha256, state.access_digest)
        if not self.pages.is_current(addresses.CITATION, what):
            is_shown = (lambda sha256: sha256 not in state.closed) if self._is_public else None
            number = str(state.current.number)
            citation = cite_generation(state.root, number, is_shown, entries=state.entries)
            observations = citation.observations
            names = [each.recipe for each in citation.recipes]
            methods = [(name, methods_paragraph(citation, name)) for name in names]
            page = CitationPage(
                citation=citation,
                identifiers=tuple(name for each in observations for name in each.public),
                exclusive=sum(len(each.exclusive) for each in observations),
                methods=tuple(methods) if len(methods) > 1 else (),
            )
            self.pages.add(addresses.CITATION, "cite.html", page, what)


def _roots(name: str) -> tuple[str, str]:
    """Return the root that a notice names, as a product and as a file with a suffix."""
    last = name.rpartition(" ")[2].rpartition("/")[2]
    return last, root_and_suffix(last)[0]


def _about(group: NoticeGroup, program: str) -> NoticeGroup:
    """Return a group with its notices about a program."""
    own = [each for each in group.notices if place_named(each.subject)[0] == program]
    return replace(group, notices=tuple(own), hidden=0)
