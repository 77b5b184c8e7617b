"""The archive's tables at one moment, made from its state without any I/O."""

from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property

from jwmirror_simulator.mast.api.missions import fileset_row
from jwmirror_simulator.mast.storage.dates import now
from jwmirror_simulator.mast.storage.folder import Holding, State
from jwmirror_simulator.mast.tables.caom import observation_row, product_row
from jwmirror_simulator.mast.tables.columns import Row
from jwmirror_simulator.mast.tables.keyword_rows import keyword_row, table_of


@dataclass(frozen=True)
class Snapshot:
    """Tables of one state; each is made when it is first used."""

    state: State
    at: str  # ISO, UTC: when exclusive access is judged

    @classmethod
    def of(cls, state: State) -> "Snapshot":
        """Return the tables of a state at the current time."""
        return cls(state, now())

    def exclusive(self, holding: Holding) -> bool:
        """Return whether a file is not public yet."""
        return holding.released > self.at

    @cached_property
    def groups(self) -> dict[str, list[Holding]]:
        """The files of each group of products (CAOM's obs_id)."""
        found = defaultdict(list)
        for holding in self.state.holdings.values():
            if holding.name.group:
                found[holding.name.group].append(holding)
        return dict(sorted(found.items()))

    @cached_property
    def observations(self) -> list[Row]:
        """Rows of the CAOM observation tables."""
        return [
            observation_row(group, self.state.obsids[group], files, any(map(self.exclusive, files)))
            for group, files in self.groups.items()
        ]

    @cached_property
    def _heads(self) -> dict[str, Row]:
        return {str(row["obs_id"]): row for row in self.observations}

    def products_of(self, obsid: int) -> list[Row]:
        """Return the rows of Mast.Caom.Products for one observation; several may list one file."""
        group = next((g for g in self.groups if self.state.obsids[g] == obsid), None)
        if group is None:
            return []
        files = list(self.groups[group])
        for other in self.inputs.get(group, ()):
            files += self.groups[other]
        rows = [self._product_row(file, file.name.group, group) for file in files]
        return rows + [self._product_row(file, group, group) for file in self._shared(group)]

    def _product_row(self, holding: Holding, own: str, parent: str) -> Row:
        obsids = self.state.obsids
        exclusive = self.exclusive(holding)
        return product_row(holding, obsids[own], obsids[parent], own, self._heads[own], exclusive)

    @cached_property
    def inputs(self) -> dict[str, tuple[str, ...]]:
        """Exposures of each level-3 group: MAST lists their files there again."""
        found: dict[str, dict[str, None]] = defaultdict(dict)
        for holding in self.state.holdings.values():
            if holding.name.kind == "association" and holding.name.level == 3:
                members = [group for group in holding.parents if group in self.groups]
                products = [g for g in members if self.groups[g][0].name.kind == "product"]
                for product in products:
                    found[product] |= dict.fromkeys(g for g in members if g not in products)
        return {product: tuple(members) for product, members in found.items()}

    def _shared(self, group: str) -> list[Holding]:
        """Return the files without a group and the guide stars that `group` lists."""
        program, visit = self.groups[group][0].name.program, group[:13]
        found = []
        for holding in self.state.holdings.values():
            name = holding.name
            if (
                group in holding.parents
                or (name.kind == "pool" and name.program == program)
                or (name.kind == "guide star" and name.fileset == visit and name.group != group)
            ):
                found.append(holding)
        return found

    @cached_property
    def keywords(self) -> dict[str, list[Row]]:
        """Rows of Mast.Jwst.Filtered.*, by the last word of the service's name."""
        found: dict[str, list[Row]] = defaultdict(list)
        for _, holding in sorted(self.state.holdings.items()):
            if table := table_of(holding):
                found[table].append(keyword_row(holding, table, self.exclusive(holding)))
        return found

    @cached_property
    def former_keywords(self) -> dict[str, dict[str, Row]]:
        """Rows that reprocessed files had before, by table and file name."""
        found: dict[str, dict[str, Row]] = defaultdict(dict)
        for filename, holding in self.state.former.items():
            if table := table_of(holding):
                found[table][filename] = keyword_row(holding, table, self.exclusive(holding))
        return found

    @cached_property
    def filesets(self) -> list[Row]:
        """Rows of the missions search: one per file set."""
        found: dict[str, list[Holding]] = defaultdict(list)
        for holding in self.state.holdings.values():
            if holding.name.group:
                found[holding.name.fileset].append(holding)
        return [fileset_row(files, any(map(self.exclusive, files))) for files in found.values()]
