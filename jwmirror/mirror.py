"""A mirror from Python: `jwmirror.open("mirror")`. Nothing of the mirror is ever changed.

Answers are frozen records, those of the commands, and astropy tables. docs/python.md shows how they
are used.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from jwmirror.core.errors import StoreError, unknown_name
from jwmirror.core.mirror import is_mirror

if TYPE_CHECKING:
    from astropy.table import Table

    from jwmirror.core.model.answers.citation import Citation
    from jwmirror.core.model.answers.contents import Contents
    from jwmirror.core.model.answers.identification import Identifications, OutdatedFiles
    from jwmirror.core.model.comparison import FileDifferences, StateDifference
    from jwmirror.core.model.maintenance import FileHistory
    from jwmirror.report.explanation import Explanation
    from jwmirror.store.generations import StoredGeneration

CURRENT = "current"
Name = int | str  # of a generation: its number, a pin, or "current"


class Mirror:
    """A mirror on disk.

    `mirror["deep"]` has the files of recipe deep in the current generation, `mirror["upstream"]`
    those of MAST. Each call reads the generation that is current then, so a program that must not
    change its mind holds a `generation`.
    """

    def __init__(self, folder: str | Path):
        self.folder = Path(folder).absolute()
        if not is_mirror(self.folder):
            raise StoreError(f"{self.folder}: expected the folder of a mirror, and found none")

    def __repr__(self) -> str:
        return f"jwmirror.open({str(self.folder)!r})"

    def __getitem__(self, origin: str) -> "Files":
        """Return the current files of a recipe, or of MAST ("upstream"). StoreError without any."""
        return self.generation()[origin]

    def select(self, **criteria: object) -> "Table":
        """Return the current files that meet all criteria; as `Files.select`."""
        return self.generation().select(**criteria)

    def generation(self, name: Name = CURRENT) -> "Files":
        """Return the files of a generation. StoreError if it does not exist or was pruned."""
        from jwmirror.store.maintenance.lookup import generation_named

        return Files(self.folder, generation_named(self.folder, str(name)))

    def generations(self) -> "tuple[StoredGeneration, ...]":
        """Return the records of all generations, oldest first: number, made_at, cause, counts."""
        from jwmirror.store.generations import Generations

        return Generations(self.folder).all()

    def history(self, file: str) -> "FileHistory":
        """Return the versions of a file, and why each differs from the one before.

        `file` is a file name, or the end of a path in the view. As `jwmirror log FILE`. StoreError
        if no generation has such a file.
        """
        from jwmirror.services.inspect.log import history_of_file

        return history_of_file(self.folder, file)

    def why(self, file: str, recipe: str | None = None) -> "tuple[Explanation, ...]":
        """Return where the current files of a name come from; of results, how they were made.

        As `jwmirror explain FILE` without a config. StoreError if there is no such file.
        """
        from jwmirror.services.inspect.explain import explain_file

        return explain_file(self.folder, file, recipe, None, ()).files

    def diff(
        self, old: Name, new: Name = CURRENT, file: str | None = None, recipe: str = ""
    ) -> "StateDifference | FileDifferences":
        """Return which files differ between two generations, and why; or how one `file` does.

        As `jwmirror diff`: a side may name a recipe, too ("41:deep"). StoreError if there is no
        such generation, recipe or file.
        """
        from jwmirror.services.inspect.diff import diff_file, diff_states

        if file is None:
            return diff_states(self.folder, str(old), str(new), recipe)
        return diff_file(self.folder, str(old), str(new), file, recipe)

    def whatis(self, *files: str | Path) -> "Identifications":
        """Return what any files are. As `jwmirror whatis`. StoreError if one cannot be read."""
        from jwmirror.services.inspect.answers.identification import identify_files

        return identify_files(self.folder, [str(file) for file in files])

    def outdated(self, folder: str | Path) -> "OutdatedFiles":
        """Return which files of a folder were replaced since. As `jwmirror outdated`."""
        from jwmirror.services.inspect.answers.outdated import outdated_files

        return outdated_files(self.folder, Path(folder))

    def products(self, part: str = "") -> "Contents":
        """Return the kinds of products, or how those of a part belong together.

        `part` is a program ("1345"), an observation ("1345/o001") or a file name.
        """
        from jwmirror.services.inspect.answers.contents import mirror_contents

        return mirror_contents(self.folder, part)

    def cite(self, name: Name = CURRENT) -> "Citation":
        """Return how to cite a generation. As `jwmirror cite`. StoreError if it is not there."""
        from jwmirror.services.inspect.answers.citation import cite_generation

        return cite_generation(self.folder, str(name))


class Files:
    """The files of one generation, or those of one recipe or of MAST in it."""

    def __init__(self, folder: Path, generation: "StoredGeneration", origin: str = ""):
        self._folder, self.record, self.origin = folder, generation, origin

    def __repr__(self) -> str:
        of_origin = f" of {self.origin}" if self.origin else ""
        return f"<files{of_origin} in generation {self.record.number}>"

    @property
    def origins(self) -> Sequence[str]:
        """The names that `[]` takes: "upstream" and the recipes with files in it, sorted."""
        return sorted(set(self.record.columns("origin").column("origin")))

    def __getitem__(self, origin: str) -> "Files":
        """Return the files of a recipe, or of MAST ("upstream"). StoreError without any."""
        if origin not in (known := self.origins):
            raise StoreError(unknown_name("recipe", origin, known))
        return Files(self._folder, self.record, origin)

    def select(self, **criteria: object) -> "Table":
        """Return the files that meet all criteria, one row each; all files without criteria.

        A criterion is a column and a value, or a list of accepted values:
        `select(filter="F200W", suffix=["i2d", "cat"])`. Case does not matter, a filter is looked
        for in both wheels, and `file` is a pattern. docs/python.md lists the columns.

        StoreError if there is no such column, or the generation was pruned.
        """
        from jwmirror.services.inspect.answers.selection import select_files

        return select_files(self._folder, self.record, self.origin, criteria)
