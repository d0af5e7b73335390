"""What a sentence claims, as far as words show it: its content words, what it denies, its numbers, dates and names.

Negations and opposites are English; numbers, dates and names are read in any language that writes them alike.
"""

import re
from dataclasses import dataclass
from functools import lru_cache

from search.engine.quantities import Measures, measures, stem

_STOP_WORDS = """
a an the and or but if then else of in on at to for from by with within into onto over under about as is are was were be
been being am do does did done have has had having it its this that these those there here he she they them his her
their we our us you your i me my who whom whose which what when where why how can could will would shall should may
might must than so such very too also just only more most some any each every both all one other another same own again
once now still yet even however therefore thus because while during after before between through up down out off per via
"""
_STOP = frozenset(map(stem, _STOP_WORDS.split()))
_NEGATIONS = frozenset(
    "not no never none neither nor without cannot nobody nothing nowhere hardly barely scarcely fail fails failed lack"
    " lacks lacked".split()
)
_NOT_ONLY = re.compile(
    r"\bnot (?:only|just|necessarily|least)\b|\bno (?:doubt|matter|sooner)\b|\bif not\b", re.IGNORECASE
)
_OPEN = re.compile(r"\b(?:if|unless|whether|perhaps|maybe|possibly|might|would|could)\b", re.IGNORECASE)

# Words that say the same of a thing; each row is read as its first.
_SAME = {
    stem(word): stem(row.split()[0])
    for row in (
        "long length", "high height tall", "wide width broad", "deep depth", "weigh weight weighs heavy",
        "cost price costs",
        "founded established", "start begin begins begun began commence", "end finish ended finished",
        "buy purchase bought",
        "allowed permitted", "forbidden prohibited", "shop store", "film movie", "employee staff",
        "pay paid", "sell sold", "write wrote written", "build built", "say said", "make made", "give gave given",
        "take took taken", "hold held", "lose lost", "win won", "rise rose risen", "fall fell fallen",
        "grow grew grown", "send sent", "run ran", "keep kept", "lead led", "speak spoke spoken",
        "shrink shrank shrunk",
    )
    for word in row.split()
}  # fmt: skip


def root_of(word: str) -> str:
    """What its forms, and words that mean the same of a thing, have in common."""
    root = stem(word)
    return _SAME.get(root, root)


# Each pair excludes the other when it is said of the same thing.
_OPPOSITES = (
    "open:closed open:shut enabled:disabled enable:disable enables:disables allow:forbid allowed:forbidden"
    " allowed:prohibited permitted:prohibited permits:prohibits accepted:rejected accepts:rejects approved:rejected"
    " increase:decrease increased:decreased increases:decreases rise:fall rose:fell rises:falls grew:shrank"
    " grow:shrink grows:shrinks gain:loss gained:lost win:lose won:lost succeed:fail succeeded:failed"
    " success:failure passed:failed pass:fail true:false correct:incorrect correct:wrong right:wrong valid:invalid"
    " legal:illegal possible:impossible safe:dangerous safe:unsafe public:private internal:external mandatory:optional"
    " required:optional alive:dead present:absent full:empty always:never everyone:nobody high:low higher:lower"
    " highest:lowest large:small larger:smaller largest:smallest big:small long:short longer:shorter fast:slow"
    " faster:slower hot:cold warm:cold wet:dry hard:soft strong:weak stronger:weaker heavy:light rich:poor"
    " cheap:expensive cheaper:dearer better:worse best:worst good:bad positive:negative early:late earlier:later"
    " first:last old:new oldest:newest older:younger north:south northern:southern east:west eastern:western left:right"
    " male:female day:night summer:winter known:unknown visible:invisible stable:unstable complete:incomplete"
    " encrypted:unencrypted synchronous:asynchronous lossless:lossy manual:automatic manually:automatically"
    " online:offline upper:lower above:below import:export buy:sell bought:sold supports:opposes support:oppose"
    " agreed:disagreed confirmed:denied include:exclude includes:excludes included:excluded started:stopped"
    " guilty:innocent married:single natural:artificial temporary:permanent toxic:harmless effective:ineffective"
)


def _opposites() -> dict[str, frozenset[str]]:
    found: dict[str, set[str]] = {}
    for pair in _OPPOSITES.split():
        one, other = map(root_of, pair.split(":"))
        found.setdefault(one, set()).add(other)
        found.setdefault(other, set()).add(one)
    return {word: frozenset(others) for word, others in found.items()}


OPPOSITES = _opposites()

# What happens once, so that two dates for it cannot both hold.
ONCE = frozenset(
    stem(word)
    for word in (
        "founded born died dies killed built invented discovered published established created completed finished"
        " opened launched signed landed landing released abolished independence deadline due birthday moved sank"
        " acquired merged expires ends ended begins began starts started introduced patented elected crowned destroyed"
        " closed closes opens scheduled planned married retired resigned arrived departed"
    ).split()
)

# Verbs that deny by themselves.
FORBIDDING = frozenset(
    root_of(word) for word in "forbidden forbids prohibited prohibits banned bans refused denies".split()
)

_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")


@dataclass(frozen=True)
class Claim:
    """`words`: stems of what carries meaning, negations left out. `written`: each as it stands in the sentence."""

    sentence: str
    words: frozenset[str]
    written: dict[str, str]
    names: frozenset[str]
    negated: bool
    denial: str
    asks: bool
    open: bool  # depends on a condition, or is only possible
    measures: Measures


@lru_cache(maxsize=2048)
def claim(sentence: str) -> Claim:
    measured = measures(sentence)
    written: dict[str, str] = {}
    names, denials = set(), []
    plain = _NOT_ONLY.sub(" ", measured.rest)
    for place, found in enumerate(_WORD.finditer(plain)):
        word = found[0]
        if word.casefold() in _NEGATIONS or word.casefold().endswith(("n't", "n’t")):
            denials.append(word)
            continue
        root = root_of(re.split(r"['’]", word)[0])
        if len(root) < 2 or root in _STOP or word.casefold() in _STOP:
            continue
        written.setdefault(root, word)
        if (word[0].isupper() and place) or word[1:] != word[1:].lower():
            names.add(root)
    first = _WORD.search(plain)
    if first and first[0][0].isupper() and (root := root_of(first[0])) in written:
        names.add(root)
    return Claim(
        sentence, frozenset(written), written, frozenset(names), len(denials) % 2 == 1, denials[0] if denials else "",
        sentence.rstrip("\"'”’)").endswith("?"), bool(_OPEN.search(sentence)), measured,
    )  # fmt: skip
