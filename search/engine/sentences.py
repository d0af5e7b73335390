"""Cutting a passage into sentences, each a verbatim part of it.

Lines of lists, tables, headings and code stand for themselves; in prose a line break is a space. Sentences end at
. ! ? and their like, but not after abbreviations, initials and numbers.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import zip_longest

FEWEST_WORDS, MOST_WORDS = 3, 60  # of a statement
LETTERS = 0.6  # share of a statement's characters that are letters; a table or a formula has less
LONGEST = 420  # characters; a longer one is cut where a word ends
LONGEST_WORD = 40  # that is looked at before a full stop: a text without an end is not read again for each
_ABBREVIATIONS = frozenset(
    """
    mr mrs ms dr prof st jr sr rev gen col capt lt sgt hon gov sen rep vs etc al cf ca approx no nos vol pp p ch fig
    figs eq sec ed eds inc ltd co corp dept est jan feb mar apr jun jul aug sep sept oct nov dec mon tue wed thu fri
    sat sun z.b d.h u.a usw bzw vgl nr bd hr fr str evtl ggf mme mlle m art sra dott sig messrs mt ph.d
    """.split()
)
_END = re.compile(r"(?:[.!?…]+[\"'”’»)\]]*(?=\s|$)|[。！？｡]+[”’」』）]*)")
_OWN_LINE = re.compile(
    r"\s*(?:[-*+•‣◦–—]\s|\d{1,3}[.)]\s|[a-zA-Z][.)]\s|#{1,6}\s|>|\||```|~~~|={3,}|-{3,})"  # lists, headings, rules
    r"|\t| {4,}\S|.*[{};]\s*$|.*\|.*\|"  # code and tables
)
_ITEM = re.compile(r"\s*(?:[-*+•‣◦–—]|\d{1,3}[.)]|[a-zA-Z][.)])\s+\S")
_FENCE = re.compile(r"\s*(?:```|~~~)")
_LAST_WORD = re.compile(r"([^\W\d_](?:[\w.]*\w)?)\.$")


_MARKUP = re.compile(r"^\s*(?:[-*•>]+|\d+[.)])\s+|[*_`]{1,3}(?=\S)|(?<=\S)[*_`]{1,3}(?=\W|$)")
_WORD = re.compile(r"\w+")
_SIGNS = re.compile(r"(#{1,6})\s")
_TITLE = 7  # stands below every heading with signs
LONGEST_TITLE = 6  # words
_ENDED = re.compile(r"[.!?…:;,。！？][\"'”’»)\]*_]*$")
# A short line with one of these says something, and so may one with a word in -ed; others are rare in a title.
_VERBS = frozenset(
    """
    am is are was were be been has have had do does did can cannot could will would shall should may might must not
    ist sind war waren hat haben wird werden kann muss soll est sont était ont es son era ha han è sono zijn heeft
    """.split()
)


@dataclass(frozen=True)
class Sentence:
    """`text` is passage[start:stop]. `whole`: it has a beginning and an end, and is no line of a list or of code."""

    start: int
    stop: int
    text: str
    whole: bool


def sentences(text: str) -> list[Sentence]:
    return [one for start, stop, prose in _blocks(text) for one in _cut(text, start, stop, prose)]


def headed(text: str) -> list[tuple[Sentence, str]]:
    """Each sentence with the headings that it stands under; headings themselves only where there is nothing else. Of
    a heading the signs before it are left out."""
    cut = sentences(text)
    found: list[tuple[Sentence, str]] = []
    headings: list[Sentence] = []
    above: dict[int, str] = {}
    for one, after in zip_longest(cut, cut[1:]):
        if not (depth := _depth(text, one, after)):
            found.append((one, " ".join(above.values())))
            continue
        begun = depth + 1 if depth < _TITLE else 0
        heading = next(_made(text, one.start + begun, one.stop, False))
        headings.append(heading)
        above = {other: words for other, words in above.items() if other < depth} | {depth: heading.text}
    return found or [(heading, "") for heading in headings]


def _depth(text: str, one: Sentence, after: Sentence | None) -> int:
    """How many signs a heading has; 0 where it is none."""
    signs = _SIGNS.match(one.text)
    if signs and not text[: one.start].rpartition("\n")[2].strip():
        return len(signs[1])
    return _TITLE if after is not None and after.whole and _is_title(text, one) else 0


def _is_title(text: str, one: Sentence) -> bool:
    """A short line of its own, without a verb or an end, as before a paragraph."""
    if one.whole or "\n" in one.text or _ENDED.search(one.text) or any(c.isdigit() or c in ":|=" for c in one.text):
        return False
    before, after = text[: one.start].rpartition("\n")[2], text[one.stop :].partition("\n")[0]
    words = _WORD.findall(one.text.casefold())
    return (
        not (before.strip() or after.strip())
        and one.text.lstrip("*_")[:1].isupper()
        and len(words) <= LONGEST_TITLE
        and not any(word in _VERBS or word.endswith("ed") for word in words)
    )


def statements(text: str) -> list[str]:
    """Those that say something that can be compared, each on one line and without markup."""
    return [plain for one in sentences(text) if (plain := _plain(one.text))]


def _plain(piece: str) -> str:
    """Empty where it is no statement."""
    if piece.startswith(("#", "|", "```")):
        return ""
    plain = " ".join(_MARKUP.sub("", piece).split())
    spaced = len(_WORD.findall(plain))
    unspaced = any("\u3040" <= character <= "\u9fff" for character in plain)
    if not (spaced >= FEWEST_WORDS or unspaced) or spaced > MOST_WORDS:
        return ""
    letters = sum(character.isalnum() or character.isspace() for character in plain)
    return plain if letters >= LETTERS * len(plain) else ""


def _blocks(text: str) -> Iterator[tuple[int, int, bool]]:
    """Paragraphs of prose, items of lists with their indented lines, and single lines of anything else."""
    begun, place, fenced, prose = None, 0, False, True
    for line in text.splitlines(keepends=True):
        fence = bool(_FENCE.match(line))
        alone = fenced or fence or not line.strip() or bool(_OWN_LINE.match(line))
        if begun is not None and (alone or not (prose or line[:1].isspace())):
            yield begun, place, prose
            begun = None
        item = not fenced and bool(_ITEM.match(line))
        if item or (not alone and begun is None):
            begun, prose = place, not item
        elif alone and line.strip() and not fence:
            yield place, place + len(line), False
        fenced ^= fence
        place += len(line)
    if begun is not None:
        yield begun, place, prose


def _cut(text: str, start: int, stop: int, prose: bool) -> Iterator[Sentence]:
    begun = start
    for match in _END.finditer(text, start, stop):
        if not _is_end(text, begun, match.start(), match.end(), stop):
            continue
        yield from _made(text, begun, match.end(), prose)
        begun = match.end()
    yield from _made(text, begun, stop, False)


def _is_end(text: str, begun: int, place: int, after: int, stop: int) -> bool:
    if text[place] in "。！？｡":
        return True
    following = text[after:stop].lstrip()[:1]
    if following and following.islower():
        return False
    if text[place] != "." or (after - place > 1 and text[place + 1] not in "\"'”’»)]"):
        return True
    word = _LAST_WORD.search(text, max(begun, place - LONGEST_WORD), place + 1)
    if not word:  # "3." begins a list rather than ends a sentence
        return not text[begun:place].strip().isdigit()
    known = word[1].casefold()
    return (
        known not in _ABBREVIATIONS
        and not (len(known) == 1 and word[1].isupper())
        and not re.fullmatch(r"(?:\w\.)+\w", known)
    )


def _made(text: str, start: int, stop: int, whole: bool) -> Iterator[Sentence]:
    while start < stop and text[start].isspace():
        start += 1
    while stop > start and text[stop - 1].isspace():
        stop -= 1
    if not any(c.isalnum() for c in text[start:stop]):
        return
    if stop - start > LONGEST:
        stop = max(text.rfind(" ", start + LONGEST // 2, start + LONGEST), start + LONGEST // 2)
        whole = False
    first = text[start : start + 1]
    yield Sentence(start, stop, text[start:stop], whole and not first.islower())
