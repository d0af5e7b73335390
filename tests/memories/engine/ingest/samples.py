"""Small files of formats that are not text, made by their own libraries or by hand."""

import zipfile
from pathlib import Path

PDF_PAGES = ("First page about whales", "Second page about ships")
CONTAINER = """<container xmlns="urn:oasis:names:tc:opendocument:xmlns:container">
<rootfiles><rootfile full-path="OPS/p.opf"/></rootfiles></container>"""
PACKAGE = """<package xmlns="http://www.idpf.org/2007/opf"><metadata xmlns:dc="http://purl.org/dc/elements/1.1/">
<dc:title>Whales &amp; ships</dc:title><dc:creator>Alice</dc:creator></metadata>
<manifest><item id="a" href="one%20page.xhtml"/><item id="b" href="two.xhtml"/></manifest>
<spine><itemref idref="b"/><itemref idref="a"/></spine></package>"""


def write_pdf(path: Path, *, encrypt: str = "") -> None:
    """Two pages of Helvetica. `encrypt` is put into the trailer: a file that asks for a password."""
    objects = [
        "<< /Type /Catalog /Pages 2 0 R >>",
        "<< /Type /Pages /Kids [3 0 R 4 0 R] /Count 2 >>",
        *(
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 600 800] /Contents {number} 0 R"
            " /Resources << /Font << /F 7 0 R >> >> >>"
            for number in (5, 6)
        ),
        *(_stream(f"BT /F 20 Tf 50 700 Td ({text}) Tj ET") for text in PDF_PAGES),
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
        "<< /Title (Whales) /Author (Alice) >>",
    ]
    body, offsets = "%PDF-1.4\n", []
    for number, content in enumerate(objects, 1):
        offsets.append(len(body))
        body += f"{number} 0 obj\n{content}\nendobj\n"
    table = "".join(f"{offset:010d} 00000 n \n" for offset in offsets)
    trailer = f"<< /Size {len(objects) + 1} /Root 1 0 R /Info 8 0 R {encrypt} >>"
    body += (
        f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n{table}trailer\n{trailer}\nstartxref\n{len(body)}\n%%EOF\n"
    )
    path.write_text(body, encoding="latin-1")


def _stream(text: str) -> str:
    return f"<< /Length {len(text)} >>\nstream\n{text}\nendstream"


def password_needed() -> str:
    """A standard security handler whose user key answers no password that PDFium can guess."""
    key = "<" + "41" * 32 + ">"
    return f"/ID [<00><00>] /Encrypt << /Filter /Standard /V 1 /R 2 /O {key} /U {key} /P -4 >>"


def write_docx(path: Path, *, span: int = 1) -> None:
    from docx import Document

    document = Document()
    document.core_properties.title, document.core_properties.author = "Logbook", "Alice"
    document.add_heading("Voyage", 1)
    document.add_paragraph("We left the harbour. " * 50)
    document.add_heading("Storm", 2)
    document.add_paragraph("The wind rose. " * 70)
    table = document.add_table(2, 2)
    for cell, text in zip((cell for row in table.rows for cell in row.cells), ("day", "knots", "1", "12"), strict=True):
        cell.text = text
    table.cell(0, 0)._tc.grid_span = span
    document.save(str(path))


def write_pptx(path: Path) -> None:
    from pptx import Presentation

    deck = Presentation()
    for title, body in (("Whales", "They breathe air"), ("Ships", "They float")):
        slide = deck.slides.add_slide(deck.slide_layouts[1])
        slide.shapes.title.text, slide.placeholders[1].text = title, body
        slide.notes_slide.notes_text_frame.text = f"Say: {title}"
    deck.save(str(path))


def write_xlsx(path: Path) -> None:
    from openpyxl import Workbook

    book = Workbook()
    book.active.title = "Catch"
    book.active.append(["ship", "whales", "share"])
    book.active.append(["Pequod, old", 3, 0.5])
    book.create_sheet("Crew").append(["Ishmael", None, True])
    book.save(path)


def write_parquet(path: Path) -> None:
    import pyarrow
    from pyarrow import parquet

    table = pyarrow.table(
        {"id": pyarrow.array([1, None, 2**60]), "name": ["a", "b\nc", None], "raw": [b"x", b"", None]}
    )
    parquet.write_table(table, path)


def write_epub(path: Path, *, protected: bool = False, package: str = PACKAGE) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("mimetype", "application/epub+zip")
        archive.writestr("META-INF/container.xml", CONTAINER)
        archive.writestr("OPS/p.opf", package)
        archive.writestr(
            "OPS/one page.xhtml",
            "<html><head><title>no</title></head><body><h1>Last</h1><p>It &amp; ends</p></body></html>",
        )
        archive.writestr(
            "OPS/two.xhtml",
            "<html><body><h1>Fir<i>st</i></h1><p>It  begins<br/>here</p><script>no()</script></body></html>",
        )
        if protected:
            archive.writestr(
                "META-INF/encryption.xml",
                '<encryption xmlns="urn:e"><EncryptedData><CipherData><CipherReference URI="OPS/two.xhtml"/>'
                "</CipherData></EncryptedData></encryption>",
            )


def write_bomb(path: Path, needs: str, size: int) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        archive.writestr(needs, "<x/>")
        archive.writestr("[Content_Types].xml", "<x/>")
        with archive.open("xl/bomb.bin", "w", force_zip64=True) as part:
            for _ in range(size >> 20):
                part.write(bytes(1 << 20))


def replace_in_zip(path: Path, part: str, old: bytes, new: bytes) -> None:
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    assert old in parts[part]
    parts[part] = parts[part].replace(old, new, 1)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in parts.items():
            archive.writestr(name, data)
