"""Patterns of a .gitignore file, each asked about one entry at a time, as git does on its way down the folders.

Libraries that match whole paths let a pattern for a folder speak for all that lies in it. Git does not: after `*` and
`!docs` the folder is entered and its files are still ignored, and `docs/**` leaves `docs` itself open to `!docs/a.txt`.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

CLASSES = {
    "alpha": "a-zA-Z", "digit": "0-9", "alnum": "a-zA-Z0-9", "upper": "A-Z", "lower": "a-z", "space": r"\s",
    "xdigit": "0-9a-fA-F", "punct": r"!-/:-@\[-`{-~", "blank": r" \t", "cntrl": r"\x00-\x1f\x7f", "print": " -~",
    "graph": "!-~",
}  # fmt: skip
# A `**` counts for several folders only between slashes; a bracket ends at the first `]` that is not its first one.
TOKEN = re.compile(
    r"(?P<above>(?:^|(?<=/))\*\*+/)|(?P<below>(?:^|(?<=/))\*\*+$)|(?P<star>\*+)|(?P<one>\?)"
    r"|\[(?P<not>[!^]?)(?P<set>\]?+(?:\[:[a-z]+:\]|\\.|[^\]\\])*)\]|\\(?P<escaped>.)|(?P<plain>.)",
    re.DOTALL,
)


@dataclass(frozen=True)
class Pattern:
    regex: re.Pattern[str]
    whole_path: bool  # else the name alone is matched
    folders_only: bool
    ignores: bool  # False: `!`


class Ignores:
    """The patterns of one file; the last one that matches decides."""

    def __init__(self, text: str) -> None:
        self._patterns = list(_patterns(text.removeprefix("\ufeff").split("\n")))

    def verdict(self, path: str, is_folder: bool) -> bool | None:
        """Whether the entry at `path` below the file's folder is ignored; None when no pattern says anything."""
        name = path.rpartition("/")[2]
        for pattern in reversed(self._patterns):
            if pattern.folders_only and not is_folder:
                continue
            if pattern.regex.fullmatch(path if pattern.whole_path else name):
                return pattern.ignores
        return None


def _patterns(lines: Iterable[str]) -> Iterator[Pattern]:
    for line in lines:
        text = re.sub(r"(?<!\\)((?:\\\\)*) +$", r"\1", line.removesuffix("\r"))
        if not text or text.startswith("#"):
            continue
        ignores = not text.startswith("!")
        text = text if ignores else text[1:]
        folders_only = text.endswith("/")
        text = text.removesuffix("/")
        whole_path = "/" in text
        if (regex := _regex(text.removeprefix("/"))) is not None:
            yield Pattern(regex, whole_path, folders_only, ignores)


def _regex(glob: str) -> re.Pattern[str] | None:
    """None for what git never matches: nothing at all, an open bracket, a last backslash."""
    tokens = list(TOKEN.finditer(glob))
    if not tokens or any(token["plain"] in ("[", "\\") for token in tokens):
        return None
    try:
        return re.compile("".join(map(_translated, tokens)), re.DOTALL)
    except re.error:  # a range that runs backwards
        return None


def _translated(token: re.Match[str]) -> str:
    if token["above"]:
        return "(?:.*/)?"
    if token["below"]:
        return ".+"
    if token["star"]:
        return "[^/]*"
    if token["one"]:
        return "[^/]"
    if token["set"] is not None:
        return _one_of(token["set"], bool(token["not"]))
    return re.escape(token["escaped"] or token["plain"])


def _one_of(content: str, negated: bool) -> str:
    def part(match: re.Match[str]) -> str:
        if match["name"]:
            return CLASSES.get(match["name"], "")
        return re.escape(match["escaped"] or match["plain"]) if match["plain"] != "-" else "-"

    parts = re.sub(r"\[:(?P<name>[a-z]+):\]|\\(?P<escaped>.)|(?P<plain>.)", part, content, flags=re.DOTALL)
    return f"(?!/)[{'^' if negated else ''}{parts}]"
