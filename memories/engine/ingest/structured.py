"""Line-oriented formats: configuration, data, statements and logs. All keep their exact text."""

import re
from collections.abc import Callable, Iterable, Iterator

from memories.engine.ingest.lines import BLANK, COMMENT, by_indentation, first_note, lines
from memories.engine.ingest.settings import SplitSettings
from memories.engine.ingest.split import SPACES, Ranks, Unit, pack
from memories.engine.model import Draft, Metadata, Source

Describe = Callable[[list[Unit]], Metadata | None]

# For lines too long to keep: minified data and markup.
DATA_RANKS: Ranks = (("},", "],", "}, ", "], "), (", ", ",", ";"), SPACES)
MARKUP_RANKS: Ranks = (("</p>", "</div>", "</li>", "</section>", "</tr>"), ("/>", ">"), (". ", *SPACES))

YAML_KEY = re.compile(r"""(["']?)([\w.-]+)\1:(?:\s|$)""")
TABLE = re.compile(r"\s*\[{1,2}([^\[\]]+)\]{1,2}\s*(?:[#;].*)?$")
TIME = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d)?(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d)?")
ENTRY = re.compile(
    r"\W{0,3}(?:\d{4}[-/]\d\d[-/]\d\d|\d\d:\d\d:\d\d|[A-Z][a-z]{2} +\d+ \d\d:|\d+\.\d+\.\d+\.\d+ |[A-Z]{4,8}\b)"
)
SEVERITIES = ("TRACE", "DEBUG", "INFO", "NOTICE", "WARNING", "ERROR", "CRITICAL", "FATAL")
SEVERITY = re.compile(r"\b(?:TRACE|DEBUG|INFO|NOTICE|WARN(?:ING)?|ERROR|CRITICAL|FATAL)\b", re.IGNORECASE)


def parse(texts: Iterable[str], split: SplitSettings, source: Source, option: str) -> Iterator[Draft]:
    units, describe, ranks = KINDS[option]
    for held in pack(units(lines(texts)), split, ranks):
        yield Draft("".join(unit.text for unit in held), describe(held))


def statements(stream: Iterable[str]) -> Iterator[Unit]:
    """SQL: a statement ends with a semicolon at the end of a line."""
    ended = True
    for line in stream:
        body = line.strip()
        if not body:
            yield Unit(line, BLANK)
            continue
        yield Unit(line, 0 if ended else 10 + len(line) - len(line.lstrip()))
        # What follows a comment belongs to it.
        ended = body.endswith(";") and not body.startswith(COMMENT)


def entries(stream: Iterable[str]) -> Iterator[Unit]:
    """Logs: a line that begins with a time or a level begins an entry, others continue one."""
    for line in stream:
        yield Unit(line, 0 if ENTRY.match(line) else 1)


def sections(stream: Iterable[str]) -> Iterator[Unit]:
    """TOML and INI: everything below a [table] belongs to it."""
    section = None
    for unit in by_indentation(stream):
        if match := TABLE.match(unit.text):
            section = match[1].strip()
            yield Unit(unit.text, -1, section)
        else:
            yield Unit(unit.text, unit.level, section)


def keys(stream: Iterable[str]) -> Iterator[Unit]:
    """YAML: everything below a top-level key belongs to it."""
    section = None
    for unit in by_indentation(stream):
        if match := YAML_KEY.match(unit.text):
            section = match[2]
        yield Unit(unit.text, unit.level, section)


def records(stream: Iterable[str]) -> Iterator[Unit]:
    return map(Unit, stream)


def _nothing(units: list[Unit]) -> None:
    return None


def _section(units: list[Unit]) -> Metadata | None:
    section = first_note(units)
    return {"section": section} if section else None


def _log(units: list[Unit]) -> Metadata | None:
    text = "".join(unit.text for unit in units)
    found = {word.upper() for word in SEVERITY.findall(text)}
    if "WARN" in found:
        found = found - {"WARN"} | {"WARNING"}
    metadata: Metadata = {}
    if found:
        metadata["levels"] = [name for name in SEVERITIES if name in found]
    if times := TIME.findall(text):
        metadata["times"] = [times[0], times[-1]]
    return metadata or None


KINDS: dict[str, tuple[Callable[[Iterable[str]], Iterator[Unit]], Describe, Ranks]] = {
    "json": (by_indentation, _nothing, DATA_RANKS),
    "jsonl": (records, _nothing, DATA_RANKS),
    "xml": (by_indentation, _nothing, MARKUP_RANKS),
    "yaml": (keys, _section, DATA_RANKS),
    "toml": (sections, _section, DATA_RANKS),
    "sql": (statements, _nothing, DATA_RANKS),
    "css": (by_indentation, _nothing, (("}",), (";", ","), SPACES)),
    "log": (entries, _log, (SPACES,)),
}
