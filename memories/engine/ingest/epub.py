"""EPUB, read with the standard library: the spine's pages in reading order, as text."""

import posixpath
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote
from zipfile import ZipFile

from memories.engine.errors import IngestError
from memories.engine.ingest.archive import open_archive
from memories.engine.ingest.markup import LONGEST_TITLE
from memories.engine.ingest.settings import SplitSettings
from memories.engine.ingest.split import prose
from memories.engine.model import Draft, Metadata

CONTAINER = "META-INF/container.xml"
ENCRYPTION = "META-INF/encryption.xml"
BLOCKS = frozenset("p div h1 h2 h3 h4 h5 h6 li tr blockquote pre section article table ul ol dt dd figcaption".split())
HEADINGS = frozenset(("h1", "h2", "h3"))
UNSEEN = frozenset(("script", "style", "head"))


def describe(path: Path, option: str) -> Metadata:
    with open_archive(path, needs=CONTAINER) as archive:
        package, folder = _package(archive)
        _refuse_protected(archive, _spine(package, folder))
        named = {"title": package.findtext(".//{*}title"), "author": package.findtext(".//{*}creator")}
        return {name: value.strip()[:LONGEST_TITLE] for name, value in named.items() if value and value.strip()}


def parse(path: Path, split: SplitSettings, option: str) -> Iterator[Draft]:
    with open_archive(path, needs=CONTAINER) as archive:
        for name in _spine(*_package(archive)):
            page = _Page()
            page.feed(archive.read(name).decode("utf-8", "replace"))
            page.close()
            text = page.text()
            for chunk in prose([text] if text else [], split):
                yield Draft(chunk, {"chapter": page.title} if page.title else None)


def _package(archive: ZipFile) -> tuple:
    """The package document, and the folder that its links start from."""
    from defusedxml.ElementTree import fromstring

    rootfile = fromstring(archive.read(CONTAINER)).find(".//{*}rootfile")
    name = rootfile.get("full-path", "") if rootfile is not None else ""
    if name not in archive.namelist():
        raise IngestError("is damaged or not what its name says: its package document is missing")
    return fromstring(archive.read(name)), posixpath.dirname(name)


def _spine(package: object, folder: str) -> list[str]:
    links = {item.get("id"): item.get("href", "") for item in package.findall(".//{*}manifest/{*}item")}
    names = [links.get(item.get("idref"), "") for item in package.findall(".//{*}spine/{*}itemref")]
    # Each page once: a short list that repeats one long page would be a bomb.
    return list(dict.fromkeys(posixpath.normpath(posixpath.join(folder, unquote(name))) for name in names if name))


def _refuse_protected(archive: ZipFile, spine: list[str]) -> None:
    """Fonts may be scrambled freely; pages may not."""
    from defusedxml.ElementTree import fromstring

    if ENCRYPTION not in archive.namelist():
        return
    links = fromstring(archive.read(ENCRYPTION)).findall(".//{*}CipherReference")
    if not set(spine).isdisjoint(unquote(link.get("URI", "")) for link in links):
        raise IngestError("is protected (DRM): its pages cannot be read")


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.parts: list[str] = []
        self.heading: list[str] = []
        self._heading = ""  # the tag of the heading being read
        self._unseen = ""

    @property
    def title(self) -> str:
        return " ".join("".join(self.heading).split())[:LONGEST_TITLE]

    def handle_starttag(self, tag: str, attrs: list) -> None:
        if self._unseen and tag != "body":
            return
        self._unseen = tag if tag in UNSEEN else ""
        if tag in HEADINGS and not self.heading:
            self._heading = tag
        if tag == "br":
            self.parts.append("\n")
        elif tag in BLOCKS:
            self._break()

    def handle_endtag(self, tag: str) -> None:
        if tag == self._unseen:
            self._unseen = ""
        if tag == self._heading:
            self._heading = ""
        if tag in BLOCKS:
            self._break()

    def handle_data(self, data: str) -> None:
        if self._unseen:
            return
        if self._heading:
            self.heading.append(data)
        text = " ".join(data.split())
        if text:
            self.parts.append(" " * data[0].isspace() + text + " " * data[-1].isspace())
        elif data and self.parts and not self.parts[-1].endswith(("\n", " ")):
            self.parts.append(" ")

    def _break(self) -> None:
        if self.parts and self.parts[-1] != "\n\n":
            self.parts.append("\n\n")

    def text(self) -> str:
        lines = ("".join(self.parts)).split("\n")
        body = "\n".join(line.strip() for line in lines).strip()
        return body + "\n\n" if body else ""
