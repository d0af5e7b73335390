"""Numbers in a sentence: how much of what, and when. Each is an interval: "about 12" does not contradict 12.5."""

import math
import re
from dataclasses import dataclass

from search.engine import tokens

APPROXIMATE = 0.1  # what "about" leaves open
EXACT = 1e-9

_SMALL = {
    word: value
    for value, word in enumerate(
        "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen"
        " seventeen eighteen nineteen".split()
    )
}
_TENS = dict(zip("twenty thirty forty fifty sixty seventy eighty ninety".split(), range(20, 100, 10), strict=True))
_MAGNITUDES = {"hundred": 1e2, "thousand": 1e3, "million": 1e6, "billion": 1e9, "trillion": 1e12, "bn": 1e9}

# Unit -> (dimension, factor). Two numbers of one dimension can be compared.
_UNITS = {
    unit: (dimension, factor)
    for dimension, sizes in {
        "length": {
            "mm millimetre millimeter": 1e-3, "cm centimetre centimeter": 1e-2, "m metre meter": 1.0,
            "km kilometre kilometer": 1e3, "ft foot feet": 0.3048, "mile": 1609.344, "inch": 0.0254, "yard": 0.9144,
        },
        "mass": {"mg milligram": 1e-6, "g gram": 1e-3, "kg kilogram kilo": 1.0, "t ton tonne": 1e3, "lb pound": 0.4536},
        "time": {
            "ms millisecond": 1e-3, "s sec second": 1.0, "min minute": 60.0, "h hr hour": 3600.0, "day": 86400.0,
            "week": 604800.0, "month": 2629746.0, "year": 31556952.0, "decade": 315569520.0, "century": 3155695200.0,
        },
        "share": {"% percent": 1.0},
        "data": {"byte": 1.0, "kb kilobyte": 1e3, "mb megabyte": 1e6, "gb gigabyte": 1e9, "tb terabyte": 1e12},
        "degrees Celsius": {"°c celsius": 1.0},
        "degrees Fahrenheit": {"°f fahrenheit": 1.0},
        "dollars": {"$ dollar usd": 1.0},
        "euros": {"€ euro eur": 1.0},
        "pounds sterling": {"£ gbp": 1.0},
        "volume": {"ml millilitre milliliter": 1e-3, "l litre liter": 1.0},
        "power": {"w watt": 1.0, "kw kilowatt": 1e3, "mw megawatt": 1e6},
    }.items()
    for names, factor in sizes.items()
    for unit in names.split()
}  # fmt: skip

# A number after these names a thing and measures none: chapter 3 is another chapter than chapter 4.
LABELS = frozenset(
    "chapter section figure fig table version page room part volume step level phase line appendix article no nr number"
    " grade class type model edition release question test group case example item block gate platform route"
    " track".split()
)

_MONTHS = {
    name[:3]: number
    for number, name in enumerate(
        "january february march april may june july august september october november december".split(), 1
    )
}
_MONTH = (
    r"(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?"
    r"|nov(?:ember)?|dec(?:ember)?)"
)
_DAY = r"(?:mon|tues|wednes|thurs|fri|satur|sun)day"
_DATE = re.compile(
    rf"\b(?P<y1>\d{{4}})-(?P<m1>\d\d)-(?P<d1>\d\d)\b"
    rf"|\b(?P<d2>\d{{1,2}})(?:st|nd|rd|th)?\s+(?:of\s+)?(?P<m2>{_MONTH})\b\.?(?:,?\s+(?P<y2>[12]\d{{3}})\b)?"
    rf"|\b(?P<m3>{_MONTH})\b\.?\s+(?P<d3>\d{{1,2}})(?:st|nd|rd|th)?\b(?!\d)(?:,?\s+(?P<y3>[12]\d{{3}})\b)?"
    rf"|\b(?P<m4>{_MONTH})\b\.?,?\s+(?P<y4>[12]\d{{3}})\b"
    rf"|\b(?:in|since|of|by|from|until|till|to|around|circa|year|before|after|for|and|early|late|mid)\s+(?P<y5>[12]\d{{3}})\b"
    rf"(?!\s*(?:[a-z]|%))"
    rf"|\b(?:in|since|by|from|until|year)\s+(?P<y6>1[5-9]\d\d|20\d\d)\b(?!\s*%)"
    rf"|[(,]\s?(?P<y7>1[5-9]\d\d|20\d\d)(?=[),.])"
    rf"|\b(?:on|for|by|until|since|this|next)\s+(?P<w>{_DAY})s?\b",
    re.IGNORECASE,
)
_CLOCK = re.compile(
    r"\b(?P<h>[01]?\d|2[0-3])(?::(?P<m>[0-5]\d)\s?(?P<half>[ap]\.?m\b)?|\s?(?P<half2>[ap]\.?m\b))", re.IGNORECASE
)
_WORDS = "|".join([*_SMALL, *_TENS])
_NUMBER = rf"\d{{1,3}}(?:[,\u00a0\u202f]\d{{3}})+(?:\.\d+)?|\d+[.,]\d+|\d+|(?:{_WORDS})(?:[-\s](?:{_WORDS}))?\b"
_QUANTITY = re.compile(
    rf"(?P<bound>\b(?:about|around|roughly|approximately|nearly|almost|some|circa|ca\.|at least|more than|over|above"
    rf"|at most|less than|fewer than|under|below|up to|only|exactly|just)\s+|[~≈<>≤≥]\s?)?"
    rf"(?P<money>[$€£]\s?)?(?<![\w.])(?P<number>{_NUMBER})"
    rf"(?:\s?(?:-|–|to)\s?(?P<to>{_NUMBER}))?"
    rf"(?P<times>(?:[-\s](?:hundred|thousand|million|billion|trillion|bn))+\b)?"
    rf"[-\s]?(?P<unit>%|°[CF]|[^\W\d_]+)?",
    re.IGNORECASE,
)
_BELOW = {"at most", "less than", "fewer than", "under", "below", "up to", "<", "≤"}
_ABOVE = {"at least", "more than", "over", "above", ">", "≥"}
_ROUGH = {"about", "around", "roughly", "approximately", "nearly", "almost", "some", "circa", "ca.", "~", "≈"}
_BEFORE = re.compile(r"([^\W\d_]+)[\s#.]*$")
_AFTER = re.compile(r"[-\s]*((?:[^\W\d_]+[-\s]+){0,2}[^\W\d_]+)?")


@dataclass(frozen=True)
class Date:
    """Parts that the sentence gives; None where it does not."""

    year: int | None
    month: int | None
    day: int | None
    weekday: str | None
    text: str

    def contradicts(self, other: "Date") -> bool:
        mine, theirs = self._parts(), other._parts()
        return any(a is not None and b is not None and a != b for a, b in zip(mine, theirs, strict=True))

    def comparable(self, other: "Date") -> bool:
        return any(a is not None and b is not None for a, b in zip(self._parts(), other._parts(), strict=True))

    def _parts(self) -> tuple[int | str | None, ...]:
        return self.year, self.month, self.day, self.weekday


@dataclass(frozen=True)
class Quantity:
    """Between `low` and `high` in its dimension's first unit. Without a unit it counts the `nouns` beside it."""

    low: float
    high: float
    dimension: str
    nouns: frozenset[str]
    text: str

    def comparable(self, other: "Quantity") -> bool:
        if self.dimension or other.dimension:
            return self.dimension == other.dimension
        return bool(self.nouns & other.nouns) or not (self.nouns or other.nouns)

    def contradicts(self, other: "Quantity") -> bool:
        return self.comparable(other) and (self.high < other.low or other.high < self.low)


@dataclass(frozen=True)
class Measures:
    """What the numbers of a sentence say; `rest` is the sentence without them."""

    quantities: tuple[Quantity, ...]
    dates: tuple[Date, ...]
    labels: frozenset[tuple[str, str]]
    rest: str


def measures(sentence: str) -> Measures:
    dates = tuple(_date(found) for found in _DATE.finditer(sentence))
    rest = _DATE.sub(" ; ", sentence)
    clocks = [_clock(found) for found in _CLOCK.finditer(rest)]
    rest = _CLOCK.sub(" ; ", rest)
    quantities, labels, kept, at = [*clocks], set(), [], 0
    for found in _QUANTITY.finditer(rest):
        before = _BEFORE.search(rest, 0, found.start())
        word = stem(before[1]) if before and not found["bound"] else ""
        if word in LABELS and not found["times"]:
            labels.add((word, found["number"].casefold()))
        elif (quantity := _quantity(found, rest, word)) is not None:
            quantities.append(quantity)
        else:
            continue
        keep_unit = found["unit"] and _unit(found["unit"]) is None
        kept.append(rest[at : found.start()])
        at = found.start("unit") if keep_unit else found.end()
    return Measures(tuple(quantities), dates, frozenset(labels), " ; ".join([*kept, rest[at:]]))


def stem(word: str) -> str:
    """Cruder than the index's: words of two sentences meet, and nothing is looked up by it."""
    term = (tokens.word_terms(word) or ("",))[0]
    for ending in ("ing", "ed", "ly"):
        if term.endswith(ending) and len(term) - len(ending) >= 3:
            term = term.removesuffix(ending)
            if len(term) > 3 and term[-1] == term[-2] and term[-1] not in "sl":
                term = term[:-1]
            break
    return term.removesuffix("e") if len(term) > 3 else term


def _date(found: re.Match) -> Date:
    part = {name: value for name, value in found.groupdict().items() if value}
    get = lambda letter: next((value for name, value in part.items() if name[0] == letter), None)  # noqa: E731
    month, year, day, weekday = get("m"), get("y"), get("d"), get("w")
    number = None if month is None else int(month) if month.isdigit() else _MONTHS[month[:3].casefold()]
    return Date(
        int(year) if year else None, number, int(day) if day else None, weekday.casefold() if weekday else None,
        _tidy(re.sub(r"^(?:in|since|of|by|from|until|till|to|year|for|and|before|after)\s+", "", found[0], flags=re.I)),
    )  # fmt: skip


def _clock(found: re.Match) -> Quantity:
    half = (found["half"] or found["half2"] or "").casefold()
    hour = int(found["h"]) % 12 + (12 if half.startswith("p") else 0) if half else int(found["h"])
    minutes = float(hour * 60 + int(found["m"] or 0))
    return Quantity(minutes, minutes, "time of day", frozenset(), found[0].strip())


def _quantity(found: re.Match, sentence: str, before: str) -> Quantity | None:
    """None where the word is no number of anything: "one of them"."""
    unit = _unit(found["unit"] or "") or _unit((found["money"] or "").strip())
    value = _value(found["number"])
    if found["number"].casefold() == "one" and unit is None and not found["times"]:
        return None
    times = math.prod(_MAGNITUDES[word] for word in re.split(r"[-\s]+", (found["times"] or "").casefold()) if word)
    dimension, factor = unit or ("", 1.0)
    factor *= times
    far = _value(found["to"]) if found["to"] else value
    error = _precision(found["number"]) * (factor if times > 1 or "." in found["number"] else 0)
    low, high = min(value, far) * factor - error, max(value, far) * factor + error
    low, high = _bounded((found["bound"] or "").strip().casefold(), low, high)
    after = _AFTER.match(sentence, found.start("unit") if found["unit"] else found.end())
    nouns = {stem(word) for word in re.split(r"[-\s]+", after[1] or "") if word} if after else set()
    text = _tidy(found[0] if unit or not found["unit"] else sentence[found.start() : found.end()])
    return Quantity(low, high, dimension, frozenset(nouns | {before}) - {""} - FILLERS, text)


FILLERS = frozenset(
    "of the a an in on at to for and or by with from is are was were be has have had it that this per each every"
    " than as its their his her our your about".split()
)


def _bounded(bound: str, low: float, high: float) -> tuple[float, float]:
    if bound in _BELOW:
        return -math.inf, high
    if bound in _ABOVE:
        return low, math.inf
    slack = APPROXIMATE if bound in _ROUGH else EXACT
    return low - abs(low) * slack, high + abs(high) * slack


def _value(text: str) -> float:
    text = text.casefold()
    if text[0].isdigit():
        grouped = re.fullmatch(r"\d{1,3}(?:[,\u00a0\u202f]\d{3})+(?:\.\d+)?", text)
        return float(re.sub(r"[,\u00a0\u202f]", "" if grouped else ".", text))
    return float(sum(_SMALL.get(word, _TENS.get(word, 0)) for word in re.split(r"[-\s]+", text)))


def _precision(text: str) -> float:
    """Half of the last digit that is written."""
    match = re.fullmatch(r"\d+[.,](\d{1,2}|\d{4,})", text)
    return 0.5 * 10.0 ** -len(match[1]) if match else 0.5


def _unit(word: str) -> tuple[str, float] | None:
    word = word.casefold()
    return _UNITS.get(word) or (_UNITS.get(stem(word)) if len(word) > 3 else None) or _UNITS.get(word.removesuffix("s"))


def _tidy(text: str) -> str:
    return " ".join(text.strip(" ,(;").split())
