import json
import subprocess
import sys

import pytest

from memories.engine.errors import IngestError
from memories.engine.ingest import SplitSettings, archive, read_source, text_source, xlsx
from tests.memories.engine.ingest import samples

SPLIT = SplitSettings()
SMALL = SplitSettings(chunk_size=60, overlap=5, max_chunk=90, min_chunk=8)


def drafts(name: str, text: str, split: SplitSettings = SMALL):
    source = text_source(text, name, split)
    found = list(source.drafts())
    assert "".join(draft.text for draft in found) == text
    return source, found


def extracted(tmp_path, suffix: str):
    path = tmp_path / f"a.{suffix}"
    getattr(samples, f"write_{suffix}")(path)
    source = read_source(path, path.name, SPLIT)
    assert source.encoding is None and source.original() == path.read_bytes()
    return source, list(source.drafts())


def test_markdown_knows_its_heading_path():
    text = (
        "---\ntitle: no heading\n---\n# Sea #\n\nabout the sea\n\n"
        "```\n# no heading, code in a fence\n```\n\n## Whales\n\n" + "They are big. " * 6 + "\n\n"
        "Ships\n-----\n\nThey float on the water for now.\n"
    )
    found = drafts("a.md", text)[1]
    assert found[0].metadata is None  # front matter
    assert {tuple(draft.metadata["headings"]) for draft in found[1:]} == {("Sea",), ("Sea", "Whales"), ("Sea", "Ships")}
    assert found[-1] == ("Ships\n-----\n\nThey float on the water for now.\n", {"headings": ["Sea", "Ships"]})


def test_a_sentence_on_top_leaves_later_chunks_as_they_are():
    body = "".join(f"## Part {n}\n\n" + f"Sentence {n} of it. " * (n * n % 17 + 3) + "\n\n" for n in range(99))
    before, after = (drafts("a.md", "# Book\n\n" + extra + body, SPLIT)[1] for extra in ("", "One more sentence.\n\n"))
    assert after[-20:] == before[-20:]


def test_rst_levels_come_from_the_order_of_the_marks():
    text = (
        "====\nBook\n====\n\n"
        + "one " * 20
        + "\n\nPart\n====\n\n"
        + "two " * 20
        + "\n\nSub\n~~~\n\n"
        + "three " * 15
        + "\n"
    )
    found = drafts("a.rst", text)[1]
    assert found[0].metadata == {"headings": ["Book"]}
    assert found[-1].metadata == {"headings": ["Book", "Part", "Sub"]}


def test_html_keeps_its_bytes_and_knows_title_and_headings():
    text = (
        "<html><head><title>Sea &amp; <b>ships</b></title></head>\n<body><h1 class=x>Top</h1>\n<p>"
        + "text " * 12 + "</p>\n<h2>Sub <i>one</i></h2>\n<p>" + "more " * 12 + "</p></body></html>"
    )  # fmt: skip
    source, found = drafts("a.html", text)
    assert source.metadata == {"title": "Sea & ships"}
    assert found[1].metadata == {"headings": ["Top"]} and found[-1].metadata == {"headings": ["Top", "Sub one"]}


def test_csv_records_stay_whole_and_typed():
    rows = "".join(f'{n},"Doe, ""J""\nthe {n}.",{n}.5,2024-01-0{n + 1},00{n}\r\n' for n in range(9))
    source, found = drafts("a.csv", "\ufeffid,name,share,day,code\r\n" + rows)
    assert source.metadata["columns"] == ["id", "name", "share", "day", "code"]
    assert all(draft.metadata["types"] == ["integer", "string", "number", "date", "string"] for draft in found[1:])
    assert all(draft.text.endswith("\r\n") for draft in found) and len(found) > 3


def test_tables_without_a_header_or_with_a_stray_quote():
    source, found = drafts("a.tsv", "1\ttrue\n2\tfalse\n")
    assert found[0].metadata == {"types": ["integer", "boolean"]} and "columns" not in source.metadata
    assert drafts("b.csv", "a;b\n" + '5" pipe;1\n' * 40)[0].metadata == {"delimiter": ";", "columns": ["a", "b"]}


def test_json_is_cut_between_its_values():
    split = SplitSettings.around(100, 5)
    values = [{"name": f"n{number}", "list": [number, number + 1]} for number in range(12)]
    for text in (json.dumps(values), json.dumps(values, indent=2)):
        found = drafts("a.json", text, split)[1]
        assert len(found) > 3 and all(draft.text.lstrip(" \n[").startswith("{") for draft in found)
    assert {draft.text[0] for draft in drafts("a.jsonl", '{"a": "some value"}\n' * 20)[1]} == {"{"}


@pytest.mark.parametrize(
    ("name", "text", "begins", "section"),
    [
        ("a.toml", "[tool.x]\n" + "a = 1\n" * 7 + "[[bin]]\n" + "b = 2\n" * 7, "[[bin]]", "bin"),
        ("a.ini", "[one]\n" + "a = 1\n" * 7 + "[two]\n" + "b = 2\n" * 7, "[two]", "two"),
        ("a.yaml", "one:\n" + "  - a: 1\n" * 5 + "two:\n" + "  - b: 2\n" * 5, "two:", "two"),
    ],
)
def test_configuration_is_cut_at_sections(name, text, begins, section):
    last = drafts(name, text)[1][-1]
    assert last.text.startswith(begins) and last.metadata == {"section": section}


def test_sql_xml_and_css_are_cut_between_statements_elements_and_rules():
    for name, text, begins in (
        ("a.sql", "-- rows\nINSERT INTO whales\nVALUES (1,\n  'Moby');\n" * 6, ("-- rows",)),
        ("a.xml", "<r>\n" + "  <whale>\n    <name>Moby</name>\n  </whale>\n" * 6 + "</r>\n", ("<r>", "  <whale>")),
        ("a.css", "a {\n  color: red;\n}\n\n" * 9, ("a {",)),
    ):
        found = drafts(name, text)[1]
        assert len(found) > 2 and all(draft.text.startswith(begins) for draft in found), name


def test_logs_keep_entries_together_and_know_levels_and_times():
    entry = "2024-05-01 10:00:0{} {} x\n  File a\n"
    found = drafts("a.log", "".join(entry.format(n, "ERROR" if n > 5 else "warn") for n in range(8)))[1]
    assert all(draft.text.startswith("2024") for draft in found)
    assert found[0].metadata == {"levels": ["WARNING"], "times": ["2024-05-01 10:00:00", "2024-05-01 10:00:00"]}
    assert found[-1].metadata["levels"] == ["ERROR"]


CODE = {
    "py": ("import os\n\n\nclass Ship:\n    # turns\n    @cache\n    def sail(self):\n        return 1  # and so on\n\n"
           "    async def sink(self):\n        return 2 + 3 + 4 + 5 + 6\n\n\ndef main():\n    pass\n",
           ["Ship", "Ship.sail", "Ship.sink", "main"]),
    "rs": ("struct Ship;\n\nimpl Ship {\n    /// turns\n    fn sail(&self) -> i32 { 1 }\n}\n\nfn main() {}\n",
           ["Ship", "Ship.sail", "main"]),
    "js": ("export class Ship {\n  sail() { return 1; }\n}\n\nconst main = () => 2;\nfunction f() {}\n",
           ["Ship", "Ship.sail", "main", "f"]),
    "ts": ("interface Ship { sail(): void }\nexport class Boat implements Ship {\n  sail(): void {}\n}\n",
           ["Ship", "Boat", "Boat.sail"]),
    "tsx": ("export const View = () => <p>hi</p>;\n", ["View"]),
    "go": ("package p\n\ntype Ship struct{}\n\nfunc (s *Ship) Sail() int { return 1 }\n\nfunc main() {}\n",
           ["Ship", "Ship.Sail", "main"]),
    "java": ("class Ship {\n  int sail() { return 1; }\n}\n", ["Ship", "Ship.sail"]),
    "c": ("struct ship { int x; };\n\nstatic int *sail(struct ship *s) { return 0; }\n", ["ship", "sail"]),
    "cpp": ("namespace sea {\nclass Ship {\n  void sail() {}\n};\n}\n", ["sea", "sea.Ship", "sea.Ship.sail"]),
    "cs": ("namespace Sea {\n  class Ship {\n    int Sail() { return 1; }\n  }\n}\n",
           ["Sea", "Sea.Ship", "Sea.Ship.Sail"]),
    "rb": ("class Ship\n  def sail\n    1\n  end\nend\n", ["Ship", "Ship.sail"]),
    "php": ("<?php\nclass Ship {\n  function sail() { return 1; }\n}\nfunction main() {}\n",
            ["Ship", "Ship.sail", "main"]),
    "sh": ("sail() {\n  echo 1\n}\n", ["sail"]),
}  # fmt: skip


@pytest.mark.parametrize("suffix", CODE)
def test_code_knows_its_symbols(suffix):
    text, symbols = CODE[suffix]
    source, found = drafts(f"a.{suffix}", text, SPLIT)
    assert source.settled and found[0].metadata["symbols"] == symbols


def test_code_is_cut_before_functions_with_what_leads_them():
    found = drafts("a.py", CODE["py"][0])[1]
    assert [(draft.text.split("\n")[0], draft.metadata["symbol"]) for draft in found] == [
        ("import os", "Ship"),
        ("    # turns", "Ship.sail"),
        ("    async def sink(self):", "Ship.sink"),
        ("def main():", "main"),
    ]


def test_code_that_does_not_parse_is_kept_but_not_settled():
    source, _ = drafts("a.py", "def f(:\n  ]]\n" * 20)
    assert not source.settled
    assert drafts("a.kt", "class Ship {\n  fun sail() = 1\n}\n" * 9)[1][0].metadata == {"language": "kotlin"}
    assert drafts("deep.py", "(" * 20_000)[0].settled is False


def test_text_that_would_keep_the_parser_busy_for_minutes_is_cut_by_lines():
    source, found = drafts("a.js", '"' * 300_000, SPLIT)
    assert not source.settled and len(found) > 290


def test_a_long_code_file_is_cut_by_lines():
    source, found = drafts("big.js", "function f() {\n  return 1;\n}\n" * 40_000, SPLIT)
    assert source.settled and found[-1].metadata == {"language": "javascript"}


def test_pdf_pages(tmp_path):
    source, found = extracted(tmp_path, "pdf")
    assert source.metadata == {"pages": 2, "title": "Whales", "author": "Alice"}
    assert [(draft.text.strip(), draft.metadata) for draft in found] == [
        (text, {"page": number}) for number, text in enumerate(samples.PDF_PAGES, 1)
    ]


def test_docx_headings_and_tables(tmp_path):
    source, found = extracted(tmp_path, "docx")
    assert source.metadata == {"title": "Logbook", "author": "Alice"}
    assert [draft.metadata["headings"] for draft in found] == [["Voyage"], ["Voyage", "Storm"]]
    assert found[-1].text.endswith("day | knots\n1 | 12\n\n")


def test_claims_of_size_in_office_files_are_not_believed(tmp_path):
    samples.write_docx(tmp_path / "a.docx", span=2**31 - 1)
    found = list(read_source(tmp_path / "a.docx", "a.docx", SPLIT).drafts())
    assert found[-1].text.endswith("day | knots\n1 | 12\n\n")
    samples.write_xlsx(tmp_path / "a.xlsx")
    samples.replace_in_zip(tmp_path / "a.xlsx", "xl/worksheets/sheet1.xml", b'<row r="2"', b'<row r="99999999999"')
    found = list(read_source(tmp_path / "a.xlsx", "a.xlsx", SPLIT).drafts())
    assert [draft.metadata["sheet"] for draft in found] == ["Catch", "Crew"]


def test_pptx_slides_with_notes(tmp_path):
    found = extracted(tmp_path, "pptx")[1]
    assert found[0] == ("Whales\nThey breathe air\nSay: Whales\n\n", {"slide": 1, "title": "Whales"})
    assert found[1].metadata == {"slide": 2, "title": "Ships"}


def test_xlsx_sheets(tmp_path):
    found = extracted(tmp_path, "xlsx")[1]
    types = {"columns": ["ship", "whales", "share"], "types": ["string", "integer", "number"]}
    assert found[0] == ('ship,whales,share\n"Pequod, old",3,0.5\n', {"sheet": "Catch"} | types)
    assert found[1] == ("Ishmael,,true\n", {"sheet": "Crew", "types": ["string", "empty", "boolean"]})


def test_parquet_integers_stay_integers(tmp_path):
    _, found = extracted(tmp_path, "parquet")
    rows = [json.loads(line) for line in found[0].text.splitlines()]
    assert [row["id"] for row in rows] == [1, None, 2**60] and isinstance(rows[0]["id"], int)
    assert rows[1]["name"] == "b\nc"
    assert found[0].metadata == {"columns": ["id", "name", "raw"], "types": ["int64", "string", "binary"]}


def test_epub_chapters_in_reading_order(tmp_path):
    source, found = extracted(tmp_path, "epub")
    assert source.metadata == {"title": "Whales & ships", "author": "Alice"}
    assert found == [
        ("First\n\nIt begins\nhere\n\n", {"chapter": "First"}),
        ("Last\n\nIt & ends\n\n", {"chapter": "Last"}),
    ]


def test_large_originals_are_left_out(tmp_path):
    samples.write_pdf(tmp_path / "a.pdf")
    assert read_source(tmp_path / "a.pdf", "a.pdf", SPLIT, max_original=10).original is None


@pytest.mark.parametrize("suffix", "pdf docx pptx xlsx parquet epub".split())
def test_damaged_files_are_one_plain_line(tmp_path, suffix):
    path = tmp_path / f"a\nb.{suffix}"
    getattr(samples, f"write_{suffix}")(path)
    whole = path.read_bytes()
    for data in (b"", b"nonsense", whole[: len(whole) // 2]):
        path.write_bytes(data)
        with pytest.raises(IngestError) as failure:
            list(read_source(path, path.name, SPLIT).drafts())
        assert r"a\nb." in str(failure.value) and "\n" not in str(failure.value)


@pytest.mark.parametrize(
    ("suffix", "make", "reason"),
    [
        ("pdf", lambda path: samples.write_pdf(path, encrypt=samples.password_needed()), "password"),
        ("epub", lambda path: samples.write_epub(path, protected=True), "DRM"),
        ("docx", lambda path: path.write_bytes(b"\xd0\xcf\x11\xe0" + bytes(600)), "password"),
        ("docx", lambda path: samples.write_bomb(path, "word/document.xml", 40 << 20), "like a bomb"),
    ],
)
def test_protected_and_hostile_files_are_refused(tmp_path, suffix, make, reason):
    path = tmp_path / f"a.{suffix}"
    make(path)
    with pytest.raises(IngestError, match=reason):
        read_source(path, path.name, SPLIT)


def test_an_archive_that_would_fill_the_memory_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(archive, "LARGEST_TOTAL", 1 << 20)
    samples.write_bomb(tmp_path / "a.xlsx", "xl/workbook.xml", 2 << 20)
    with pytest.raises(IngestError, match="inflate to 2 MB in 3 parts: more than is safe"):
        read_source(tmp_path / "a.xlsx", "a.xlsx", SPLIT)


@pytest.mark.parametrize(
    ("suffix", "part", "old", "many", "reason"),
    [
        ("docx", "word/document.xml", b"<w:body>", b"<w:p/>", "more than 2,000,000 elements"),
        ("epub", "OPS/two.xhtml", b"<body>", b"<p>", "more than 2,000,000 elements"),
        (
            "xlsx",
            "xl/worksheets/sheet1.xml",
            b"<sheetData>",
            b'<row><c r="XFD1"/></row>',
            "claims more than 65,536 cells",
        ),
    ],
)
def test_a_few_bytes_that_stand_for_millions_of_things_are_refused(
    tmp_path, monkeypatch, suffix, part, old, many, reason
):
    monkeypatch.setattr(xlsx, "MOST_CELLS", 1 << 16)
    path = tmp_path / f"a.{suffix}"
    getattr(samples, f"write_{suffix}")(path)
    samples.replace_in_zip(path, part, old, old + many * (2_000_001 if suffix != "xlsx" else 5))
    with pytest.raises(IngestError, match=reason):
        list(read_source(path, path.name, SPLIT).drafts())


def test_one_text_in_every_row_of_a_parquet_file_is_a_bomb(tmp_path):
    import pyarrow
    from pyarrow import parquet

    long = "whale " * 100_000
    for name, rows in (("flat", [long] * 100), ("nested", [[long, long]] * 50), ("row", [[long] * 100])):
        path = tmp_path / f"{name}.parquet"
        parquet.write_table(pyarrow.table({"a": rows}), path, compression="zstd")
        with pytest.raises(IngestError, match=r"like a bomb|a row of more than 32 MB"):
            list(read_source(path, path.name, SPLIT).drafts())


def test_parquet_texts_that_repeat_come_back_in_their_rows(tmp_path):
    import pyarrow
    from pyarrow import parquet

    rows = [{"a": ["x", None, "long " * 9000][n % 3], "b": [str(n % 2), "y"], "c": {"d": str(n)}} for n in range(900)]
    parquet.write_table(pyarrow.Table.from_pylist(rows), tmp_path / "a.parquet")
    source = read_source(tmp_path / "a.parquet", "a.parquet", SPLIT)
    text = "".join(draft.text for draft in source.drafts())
    assert [json.loads(line) for line in text.splitlines()] == rows
    assert source.metadata["types"][0] == "string"


def test_entities_in_a_docx_are_refused(tmp_path):
    path = tmp_path / "a.docx"
    samples.write_docx(path)
    entities = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 20}">' for n in range(1, 9))
    bomb = f'<!DOCTYPE x [<!ENTITY e0 "Moby ">{entities}]><w:document'.encode()
    samples.replace_in_zip(path, "word/document.xml", b"<w:document", bomb)
    samples.replace_in_zip(path, "word/document.xml", b"Voyage", b"&e8;")
    with pytest.raises(IngestError, match="entity"):
        list(read_source(path, path.name, SPLIT).drafts())


def test_entities_in_an_epub_are_refused(tmp_path):
    path = tmp_path / "a.epub"
    samples.write_epub(path, package='<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]>' + samples.PACKAGE)
    with pytest.raises(IngestError, match="damaged"):
        read_source(path, path.name, SPLIT)


def test_plain_text_loads_no_heavy_library():
    program = (
        "import sys\nfrom memories.engine.ingest import SplitSettings, text_source\n"
        "list(text_source('hi', 'a.txt', SplitSettings()).drafts())\n"
        "heavy = {'pyarrow', 'pypdfium2', 'docx', 'pptx', 'openpyxl', 'tree_sitter', 'lxml', 'numpy'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert result.stdout == "[]\n"
