"""Which version of a mosaic to use, in sentences. Pure."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from jwmirror.core.model import UPSTREAM
from jwmirror.report.formatting import count
from jwmirror.report.site.mosaics import ALSO, ONLY, RECOMMENDED, Mosaic

MOST_NAMED = 6  # parameters in a sentence
PLAIN = "`jwmirror {}`".format  # a command
MOSAICS = ("mosaic or cube", "mosaics and cubes")

Differing = Mapping[str, Mapping[str, str]]  # parameter -> recipe -> its values


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """One version of a mosaic, as far as it matters for the choice."""

    origin: str
    path: str  # in the view
    fault: str  # "" if it is fit for use; else in words that follow "the version"
    content: str = ""  # equal for equal science content
    jwst: str = ""  # the version that made it
    context: str = ""  # of CRDS
    has_caveat: bool = False  # that the user has not accepted
    is_out_of_date: bool = False

    @property
    def words(self) -> str:
        """Its name in words."""
        return "MAST's version" if self.origin == UPSTREAM else f"recipe {self.origin}'s version"


@dataclass(frozen=True, kw_only=True)
class Choice:
    """What there is of one mosaic: the candidates of recipes are in the order of the config."""

    filename: str
    chosen: str  # origin; "" for none
    own: Sequence[Candidate]
    mast: Candidate | None
    hidden: int = 0  # versions that the site does not show
    held_back: Sequence[str] = ()  # recipes whose versions are not published
    why_not_mast: str = ""  # beside a chosen version
    differing: Differing | None = None  # parameters of the versions that are fit
    meanings: Mapping[str, str] | None = None  # of parameters, in jwst's words
    typed: Callable[[str], str] = PLAIN  # a command as it is typed

    @property
    def path(self) -> str:
        """The path of the version to use; "" for none."""
        versions = (*self.own, *([self.mast] if self.mast else ()))
        return next((each.path for each in versions if each.origin == self.chosen), "")

    @property
    def fit(self) -> list[Candidate]:
        """The versions of recipes that are fit for use, the chosen one first."""
        return [each for each in self.own if not each.fault]


def badge(origin: str, choice: Choice) -> str:
    """Return what is said beside the version of an origin: recommended, also sound..."""
    if origin == choice.chosen:
        return ONLY if origin == UPSTREAM else RECOMMENDED
    return ALSO if origin in [each.origin for each in choice.fit] else ""


def advice(choice: Choice) -> str:
    """Return which version to use, in one sentence."""
    if choice.chosen == UPSTREAM:
        alone = "the only one that is published" if choice.held_back else "the only one"
        return f"Use MAST's version: it is {alone}, and up to date."
    if choice.chosen:
        use = f"Use the version of recipe {choice.chosen}"
        if len(choice.own) == 1:
            return f"{use}: it is sound and up to date."
        return f"{use} (the first of your recipes whose version is sound and up to date)."
    if choice.own:
        faults = "; ".join(f"{each.words} {each.fault}" for each in choice.own)
        return f"No version is recommended: {faults}."
    if choice.hidden:
        shown = "MAST's version is the only one" if choice.mast else "No version is"
        return f"{shown} that this public site shows."
    fault = choice.mast.fault if choice.mast else ""
    return f"Only MAST's version is here, and it should be looked at before use: it {fault}."


def notes(choice: Choice) -> tuple[str, ...]:
    """Return what is to be said of the versions that are not chosen, a sentence for each."""
    held_back = (_on_held_back(recipe, choice) for recipe in choice.held_back)
    return (*_on_published(choice), *held_back)


def _on_held_back(recipe: str, choice: Choice) -> str:
    accept = f"accept {choice.filename} --recipe {recipe} --because 'my reason'"
    return (
        f"Recipe {recipe}'s version is held back because of its caveats; {choice.typed(accept)} "
        "lets the next run publish it."
    )


def _on_published(choice: Choice) -> tuple[str, ...]:
    if choice.chosen and choice.chosen != UPSTREAM:
        chosen = next(each for each in choice.own if each.origin == choice.chosen)
        others = [each for each in choice.own if each != chosen]
        mast = [choice.why_not_mast] if choice.mast and choice.why_not_mast else []
        return (*(_on_other(each, chosen, choice) for each in others), *mast)
    return _instead(choice) if choice.own else ()


def _on_other(other: Candidate, chosen: Candidate, choice: Choice) -> str:
    """Return why another recipe's version is not the chosen one, and how it differs."""
    words = f"R{other.words[1:]}"
    if other.fault:
        return f"{words} {other.fault}."
    if other.content and other.content == chosen.content:
        return f"{words} is also sound, and its science content is the same."
    compare = choice.typed(f"diff :{chosen.origin} :{other.origin} {choice.filename}")
    if not choice.differing:
        return f"{words} is also sound; {compare} says how it differs."
    differences = _differences(other, chosen, choice)
    return (
        f"{words} is also sound, and was made with {differences}. {compare} compares their pixels."
    )


def _differences(other: Candidate, chosen: Candidate, choice: Choice) -> str:
    """Return the parameters of another version that differ from the chosen one's, in words."""
    meanings = choice.meanings or {}
    words = [
        f"{name} {values[other.origin]} instead of {values[chosen.origin]}"
        + (f" ({meanings[name]})" if name in meanings else "")
        for name, values in (choice.differing or {}).items()
        if values[other.origin] != values[chosen.origin]
    ]
    more = len(words) - MOST_NAMED
    rest = f"; and {count(more, 'more parameter')}" if more > 0 else ""
    return "; ".join(words[:MOST_NAMED]) + rest


def _instead(choice: Choice) -> tuple[str, ...]:
    """Return what to look at, if no recipe's version is fit for use."""
    doubtful = [each for each in choice.own if each.has_caveat]
    sentences = [_on_caveats(each, choice) for each in doubtful[:1]]
    if any(each.is_out_of_date for each in choice.own):
        sentences.append("The next run makes what is out of date again: `jwmirror run`.")
    if choice.mast:
        fault = choice.mast.fault
        sentences.append(
            f"MAST's version does not help: it {fault}."
            if fault
            else "MAST's version is up to date, but not measured by jwmirror; look at it first."
        )
    return tuple(sentences)


def _on_caveats(doubtful: Candidate, choice: Choice) -> str:
    words = f"{choice.filename} --recipe {doubtful.origin}"
    explain, accept = choice.typed(f"explain {words}"), f"accept {words} --because 'my reason'"
    return (
        f"Look at {doubtful.words} first: {explain} shows its caveats. If they do not matter for "
        f"your work, accept them: {choice.typed(accept)}."
    )


def in_short(mosaics: Sequence[Mosaic]) -> str:
    """Return which versions of all mosaics and cubes to use, in a sentence or two."""
    chosen = Counter(mosaic.choice for mosaic in mosaics if mosaic.choice)
    hidden = sum(1 for each in mosaics if not each.choice and each.hidden)
    rest = len(mosaics) - chosen.total() - hidden
    sentences = [
        f"Use {_joined(_uses(chosen, len(mosaics)))}." if chosen else "",
        f"Of {rest:,}, no version is sound and up to date." if rest else "",
        f"Of {hidden:,}, this site shows MAST's version only." if hidden else "",
    ]
    return " ".join(filter(None, sentences)) or "There is no mosaic to choose."


def _uses(chosen: Counter[str], in_all: int) -> list[str]:
    """Return of how many mosaics to use the version of each origin."""
    whole = count(in_all, *MOSAICS)
    names = {each: "MAST" if each == UPSTREAM else f"recipe {each}" for each in chosen}
    if list(chosen.values()) == [in_all]:
        all_of = f"all {whole}" if in_all > 1 else f"the only {MOSAICS[0]}"
        return [f"{names[each]}'s version of {all_of}" for each in chosen]
    uses = [f"{names[each]}'s version of {number:,}" for each, number in chosen.most_common()]
    return [f"{uses[0]} of {whole}", *uses[1:]]


def _joined(words: Iterable[str]) -> str:
    *others, last = words
    return f"{', '.join(others)} and {last}" if others else last
