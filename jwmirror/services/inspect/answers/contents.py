"""What a mirror has of each kind of product, and how the files of an observation belong together.

The functions on rows are pure.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import accumulate
from pathlib import Path

from jwmirror.core.errors import StoreError, as_typed, some_of
from jwmirror.core.grouping import group_by
from jwmirror.core.model import UPSTREAM, Entry
from jwmirror.core.model.answers import contents as records
from jwmirror.core.model.association import Association
from jwmirror.core.model.quality import CAVEAT, SOUND
from jwmirror.core.model.stored import Setup
from jwmirror.core.names import (
    INSTRUMENTS,
    is_named_by,
    parse_combined,
    parse_product,
    program_and_observation,
)
from jwmirror.pipeline.associations.reading import read_associations
from jwmirror.report.quality import NOT_MEASURED
from jwmirror.report.site.mosaic_advice import Candidate, Choice, advice, notes
from jwmirror.services.inspect.answers.product_kinds import KINDS, kind_of
from jwmirror.services.inspect.answers.recommended import (
    choice_of,
    held_back_recipes,
    made_before_raw_data,
    mosaic_faults,
    mosaic_of,
    out_of_date_products,
    product_of,
    recipe_order,
)
from jwmirror.store.access import may_be_read
from jwmirror.store.generations import Generations, StoredGeneration
from jwmirror.store.manifest import Entries
from jwmirror.store.objects import Objects
from jwmirror.store.provenance import Provenance
from jwmirror.store.runs import last_run

FORMS = "1345, 1345/o001, 1345/c1001 or a file name"


def mirror_contents(root: Path, part: str = "") -> records.Contents:
    """Return the kinds of products in the current generation, or the files of a part of it.

    `part` is a program, an observation or candidate (1345/o001), or a file name, which means its
    observation. Files that this user may not read are left out, and counted.

    Raises:
        StoreError: the mirror has no such part, or nothing was published yet.
    """
    current, may_read = Generations(root).require_current(), may_be_read(root)
    entries = current.entries()
    allowed = [row for row, sha256 in enumerate(entries.column("sha256")) if may_read(sha256)]
    rows = entries.rows(allowed)
    observations: tuple[records.ObservationFiles, ...] = ()
    if part:
        rows = _rows_of(root, part, rows)
        locate = Objects(root).path
        found = read_associations(rows.where("product_suffix", "asn"), locate).found
        choices = _choices(root, current, rows)
        observations = tuple(
            replace(each, products=tuple(_with_qualities(each.products, rows, choices)))
            for each in observation_files(rows.column("path"), rows.column("origin"), found)
        )
    return records.Contents(
        mirror=str(root),
        generation=current.number,
        kinds=product_kinds(rows),
        observations=observations,
        left_out=len(entries) - len(allowed),
    )


def _choices(root: Path, current: StoredGeneration, rows: Entries) -> dict[str, Choice]:
    """Return which version of each mosaic and cube among the rows to use, by file name."""
    run = last_run(root)
    outdated = out_of_date_products(root, current, run)
    order = recipe_order(root, current.number, _setup(current))
    faults = mosaic_faults(rows, outdated, made_before_raw_data(rows))
    places = {path: place for place, path in enumerate(rows.column("path")) if path in faults}
    provenance = Provenance(root)
    candidates = (
        _candidate(rows[place], faults[path], outdated, provenance)
        for path, place in places.items()
    )
    held_back = held_back_recipes(run.held_back if run else ())
    return {
        filename: choice_of(
            filename, versions, order, held_back=held_back.get(filename, ()), typed=as_typed
        )
        for (_, filename), versions in group_by(candidates, lambda e: mosaic_of(e.path)).items()
    }


def _candidate(
    entry: Entry, fault: str, outdated: Collection[tuple[str, str]], provenance: Provenance
) -> Candidate:
    jwst, context = _made_with(provenance, entry)
    return Candidate(
        origin=entry.origin,
        path=entry.path,
        fault=fault,
        content=entry.identity or entry.sha256,
        jwst=jwst,
        context=context,
        has_caveat=bool(fault) and entry.quality == CAVEAT,
        is_out_of_date=(entry.origin, product_of(entry.result, entry.filename)) in outdated,
    )


def _setup(current: StoredGeneration) -> Setup | None:
    with suppress(StoreError):  # it is damaged, which `verify` reports
        return current.setup()
    return None


def _made_with(provenance: Provenance, entry: Entry) -> tuple[str, str]:
    """Return the version of jwst and the CRDS context of a file."""
    if entry.product:
        return entry.product.cal_ver or "", entry.product.crds_ctx or ""
    with suppress(StoreError):  # it is damaged, which `verify` reports
        if record := provenance.read_if_allowed(entry.key):
            return record.derivation.engine.get("jwst", ""), entry.context
    return "", entry.context


def _with_qualities(
    products: Iterable[records.CombinedProduct],
    rows: Entries,
    choices: Mapping[str, Choice],
) -> Iterator[records.CombinedProduct]:
    """Add to each product the quality of each recipe's result of it, and which version to use.

    Of several qualities, as of the cubes of MIRI, one that is not sound. `choices`: by file name.
    """
    of_product: dict[str, list[Choice]] = defaultdict(list)
    known: dict[str, dict[str, str]] = {}  # by product; a cube has more parts in its name
    for filename, choice in choices.items():
        for name in _names_of_product(filename):
            of_product[name].append(choice)
    columns = (rows.column(name) for name in ("path", "origin", "key", "quality"))
    for path, origin, key, quality in zip(*columns, strict=True):
        for name in _names_of_product(path.rpartition("/")[2]) if key else ():
            words = known.setdefault(name, {})
            if words.get(origin, SOUND) == SOUND:
                words[origin] = quality or NOT_MEASURED
    for each in products:
        made = replace(each, qualities=known.get(each.product, {}))
        yield _with_choices(made, of_product.get(each.product, []))


def _with_choices(
    product: records.CombinedProduct, choices: Sequence[Choice]
) -> records.CombinedProduct:
    """Add to a product which version to use of its mosaic, or of each of its cubes."""
    firsts = {advice(choice): choice for choice in reversed(choices)}  # of equal advice, one
    ordered = list(reversed(firsts.values()))
    return replace(
        product,
        recommended=tuple(choice.path for choice in choices if choice.path),
        also_sound=tuple(
            each.path for choice in choices for each in choice.fit if each.path != choice.path
        ),
        advice=" ".join(map(advice, ordered)),
        remarks=tuple(text for choice in ordered for text in notes(choice)),
        is_judged=any(choice.own for choice in choices),
    )


def _names_of_product(filename: str) -> Iterator[str]:
    """Yield the names that the product of a file may have: the beginnings of its root."""
    if parts := parse_product(filename):
        yield from accumulate(parts.root.split("_"), "{}_{}".format)


def _rows_of(root: Path, part: str, rows: Entries) -> Entries:
    """Return the rows of a program or an observation. StoreError if it does not exist."""
    program, observation = program_and_observation(part.rpartition("/")[2])
    if program is None:
        first, _, observation = part.removeprefix("jw").partition("/")
        program = int(first) if first.isdecimal() else None
        observation = f"o{int(observation):03d}" if observation.isdecimal() else observation
    places = [
        row
        for row, path in enumerate(rows.column("path"))
        if _place(path)[0] == program and observation in ("", _place(path)[1])
    ]
    if program is None or not places:
        programs = {_place(path)[0] for path in rows.column("path")} - {None}
        raise StoreError(
            f"mirror {root.absolute()}: {part}: expected {FORMS} of this mirror; it has "
            f"program {some_of(programs)}; {as_typed('products')} lists the kinds of its files."
        )
    return rows.rows(places)


def _place(path: str) -> tuple[int | None, str]:
    """Return the program and the observation whose folder a path of a view is in."""
    program, observation = path.split("/")[-3:-1]
    digits = program.removeprefix("jw")
    return (int(digits) if digits.isdecimal() else None), observation


def product_kinds(rows: Entries) -> tuple[records.ProductKind, ...]:
    """Return what there is of each suffix, in the order of the stages, kinds without files too."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    sizes: dict[str, Counter[str]] = defaultdict(Counter)
    for path, origin, size in zip(*map(rows.column, ("path", "origin", "size")), strict=True):
        parts = parse_product(path.rpartition("/")[2])
        suffix = parts.suffix if parts else ""
        counts[suffix][origin] += 1
        sizes[suffix][origin] += size
    order = {suffix: place for place, suffix in enumerate(KINDS)}
    kinds = []
    for suffix in sorted({*KINDS, *counts}, key=lambda each: (order.get(each, len(order)), each)):
        level, meaning = kind_of(suffix)
        held = tuple(
            records.KindCount(origin=origin, files=files, bytes=sizes[suffix][origin])
            for origin, files in sorted(counts[suffix].items(), key=_mast_first)
        )
        kinds.append(records.ProductKind(suffix=suffix, level=level, meaning=meaning, held=held))
    return tuple(kinds)


def _mast_first(item: tuple[str, object]) -> tuple[bool, str]:
    return item[0] != UPSTREAM, item[0]


def observation_files(
    paths: Iterable[str], origins: Iterable[str], associations: Sequence[Association]
) -> tuple[records.ObservationFiles, ...]:
    """Return how files roll up: exposures under associations of stage 3, these under targets."""
    by_place: dict[tuple[int, str], dict[str, dict[str, set[str]]]] = {}
    for path, origin in zip(paths, origins, strict=True):
        parts, (program, observation) = parse_product(path.rpartition("/")[2]), _place(path)
        if parts and program is not None:
            files = by_place.setdefault((program, observation), {}).setdefault(parts.root, {})
            files.setdefault(origin, set()).add(parts.suffix)
    everywhere: dict[str, dict[str, set[str]]] = {}  # crf and psfsub are in the folder of c1001
    for roots in by_place.values():
        for root, files in roots.items():
            known = everywhere.setdefault(root, {})
            for origin, suffixes in files.items():
                known[origin] = known.get(origin, set()) | suffixes
    shown = {root: _suffixes(files) for root, files in everywhere.items()}
    return tuple(
        _observation(place, sorted(roots), shown, associations)
        for place, roots in sorted(by_place.items())
    )


def _suffixes(files: Mapping[str, set[str]]) -> records.Suffixes:
    return {
        origin: tuple(sorted(found)) for origin, found in sorted(files.items(), key=_mast_first)
    }


def _observation(
    place: tuple[int, str],
    roots: Sequence[str],
    files: Mapping[str, records.Suffixes],
    associations: Sequence[Association],
) -> records.ObservationFiles:
    program, observation = place
    own = [
        each for each in associations if (each.program, each.candidate) == place and each.stage == 3
    ]
    combined = [root for root in roots if _is_combined(root)]
    products: list[records.CombinedProduct] = []
    used: set[str] = set()
    for association in own:
        made = [root for root in combined if _is_of(root, association)]
        members = tuple(
            _exposure(member.name, member.exptype, files) for member in association.members
        )
        products.append(_product(association.product, made, files, association, members))
        used.update((*made, *(member.root for member in members)))
    products += [_product(root, [root], files) for root in combined if root not in used]
    others = [root for root in roots if root not in used and root not in combined]
    return records.ObservationFiles(
        program=program,
        observation=observation,
        products=tuple(sorted(products, key=lambda each: (each.target, each.product))),
        others=tuple(
            records.ExposureFiles(root=root, role="", files=files[root]) for root in others
        ),
    )


def _is_combined(root: str) -> bool:
    """Return whether a root is that of a combined product, and not of an association."""
    name = parse_combined(root)
    return name is not None and name.instrument in INSTRUMENTS


def _is_of(root: str, association: Association) -> bool:
    """Return whether a combined file is one that an association's pipeline makes."""
    name, product = parse_combined(root), parse_combined(association.product)
    from_spectra = association.pipeline == "spec3"
    return root == association.product or bool(
        name and product and is_named_by(name, product, from_spectra=from_spectra)
    )


def _exposure(
    filename: str, role: str, files: Mapping[str, records.Suffixes]
) -> records.ExposureFiles:
    parts = parse_product(filename)
    root = parts.root if parts else filename
    return records.ExposureFiles(root=root, role=role, files=files.get(root, {}))


def _product(
    product: str,
    made: Sequence[str],
    files: Mapping[str, records.Suffixes],
    association: Association | None = None,
    members: tuple[records.ExposureFiles, ...] = (),
) -> records.CombinedProduct:
    name = parse_combined(product)
    suffixes: dict[str, set[str]] = {}
    for root in made:
        for origin, found in files[root].items():
            suffixes.setdefault(origin, set()).update(found)
    return records.CombinedProduct(
        product=product,
        association=association.name if association else "",
        pipeline=association.pipeline if association else "",
        target=name.target if name else "",
        files=_suffixes(suffixes),
        members=members,
    )
