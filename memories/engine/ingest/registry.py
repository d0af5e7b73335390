"""Which parser reads which file: by its extension, or by its whole name."""

from dataclasses import dataclass
from importlib import import_module
from pathlib import PurePosixPath
from types import ModuleType


@dataclass(frozen=True)
class Format:
    """`parser` names the module, imported when such a file is met; `option` says which of its formats.

    The module has `parse(texts, split, source, option)`, or for an extracted format
    `parse(path, split, option)`, giving drafts; and `describe`, giving the document's metadata.
    """

    parser: str
    media_type: str
    option: str
    extracted: bool = False

    def load(self) -> ModuleType:
        return import_module(f"memories.engine.ingest.{self.parser}")


TEXT = Format("plain", "text/plain", "text")

OFFICE = "application/vnd.openxmlformats-officedocument."
EXTRACTED = {
    "parquet": Format("parquet", "application/vnd.apache.parquet", "parquet", True),
    "pdf": Format("pdf", "application/pdf", "pdf", True),
    "epub": Format("epub", "application/epub+zip", "epub", True),
    "docx": Format("docx", OFFICE + "wordprocessingml.document", "docx", True),
    "pptx": Format("pptx", OFFICE + "presentationml.presentation", "pptx", True),
    "xlsx": Format("xlsx", OFFICE + "spreadsheetml.sheet", "xlsx", True),
}

# parser, option, media type: extensions
_TEXT_FORMATS = """
plain text text/plain: txt text
markup md text/markdown: md markdown mdown mkd
markup rst text/x-rst: rst
markup html text/html: html htm xhtml
tables csv text/csv: csv
tables tsv text/tab-separated-values: tsv tab
structured json application/json: json geojson ipynb
structured jsonl application/jsonl: jsonl ndjson
structured yaml application/yaml: yaml yml
structured toml application/toml: toml
structured toml text/plain: ini cfg conf properties
structured xml application/xml: xml svg xsd xsl rss atom
structured sql application/sql: sql
structured css text/css: css scss sass less
structured log text/plain: log
code python text/x-python: py pyi pyw
code rust text/x-rust: rs
code javascript text/javascript: js jsx mjs cjs
code typescript text/x-typescript: ts mts cts
code tsx text/x-typescript: tsx
code go text/x-go: go
code java text/x-java: java
code c text/x-c: c h
code cpp text/x-c++: cc cpp cxx hh hpp hxx
code csharp text/x-csharp: cs
code ruby text/x-ruby: rb
code php application/x-php: php
code bash application/x-sh: sh bash
code kotlin text/x-kotlin: kt kts
code swift text/x-swift: swift
code scala text/x-scala: scala
code lua text/x-lua: lua
code perl text/x-perl: pl pm
code r text/x-r: r
code vue text/x-vue: vue
code svelte text/x-svelte: svelte
code makefile text/x-makefile: mk
"""


def _text_formats() -> dict[str, Format]:
    formats = {}
    for line in _TEXT_FORMATS.strip().splitlines():
        kind, _, extensions = line.partition(":")
        parser, option, media_type = kind.split()
        for extension in extensions.split():
            formats[extension] = Format(parser, media_type, option)
    return formats


FORMATS = EXTRACTED | _text_formats()
NAMES = {"makefile": FORMATS["mk"], "readme": TEXT, "license": TEXT}


def format_of(name: str) -> Format | None:
    path = PurePosixPath(name)
    return FORMATS.get(path.suffix.lower().lstrip(".")) or NAMES.get(path.name.lower())


def known(name: str) -> bool:
    return format_of(name) is not None
