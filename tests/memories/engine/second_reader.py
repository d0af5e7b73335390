"""A second reader of memory files, written from docs/memory-format.md alone."""

import json
import struct
from collections import namedtuple
from hashlib import blake2b, sha256
from io import BytesIO

import av
import zstandard
import zxingcpp

SIGNS = {sign: value for value, sign in enumerate("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:")}
MANIFEST, DICTIONARY, RECORDS, ATTACHMENT, PARITY, END = range(1, 7)
CONTINUED, CONTINUES, WITH_DICTIONARY = 1, 2, 4
PLACED, DELETES = 1, 2
Page = namedtuple("Page", "magic version kind memory commit number flags length digest payload raw")


def read(path, commit=None):
    """Texts by path and originals by path, at a commit or (None) at the newest one that is whole."""
    state, run, before, number = State(), [], bytes(32), 0
    for page in pages(path):
        run.append(page)
        if page.kind == END and number != commit:
            if not whole(run, before, number + 1):
                break
            for each in run:
                state.apply(each)
            run, before, number = [], sha256(page.raw).digest(), number + 1
    if commit not in (None, number):
        raise ValueError(f"commit {commit} is not there, or not whole")
    return state.contents()


def pages(path):
    found = {}
    with av.open(str(path)) as video:
        for frame in video.decode(video=0):
            luma = frame.to_ndarray(format="gray")
            for symbol in zxingcpp.read_barcodes(luma, formats=zxingcpp.BarcodeFormat.QRCode, is_pure=True):
                page = unpack(base45(symbol.text))
                if page.digest == blake2b(page.raw[:24] + page.payload, digest_size=8).digest():
                    found.setdefault(page.number, page)
    assert {page[:2] for page in found.values()} == {(b"MV", 1)} and len({page.memory for page in found.values()}) == 1
    return [found[number] for number in sorted(found)]


def base45(text):
    values = [SIGNS[sign] for sign in text]
    triples = zip(values[::3], values[1::3], values[2::3], strict=True)
    return b"".join((a + b * 45 + c * 2025).to_bytes(2, "big") for a, b, c in triples)


def unpack(data):
    fields = struct.unpack(">2sBB8sIIHH8s", data[:32])
    raw = data[: 32 + fields[7]]
    return Page(*fields, raw[32:], raw)


def whole(run, before, number):
    end, chained = json.loads(inflate(run[-1].payload)), [page.raw for page in run[:-1] if page.kind != PARITY]
    facts = {"number": number, "first_frame": run[0].number, "frames": len(run)}
    facts["chain"] = sha256(before + b"".join(chained)).hexdigest()
    return all(end[key] == fact for key, fact in facts.items()) and {page.commit for page in run} == {number}


class State:
    def __init__(self):
        self.documents, self.chunks, self.attachments, self.parts, self.dictionary = {}, {}, {}, [], None

    def apply(self, page):
        data = BytesIO(page.payload)
        if page.kind == MANIFEST:
            assert bytes.fromhex(json.loads(inflate(page.payload))["id"])[:8] == page.memory
        elif page.kind == DICTIONARY:
            self.add_dictionary(varint(data), varint(data), data.read())
        elif page.kind == ATTACHMENT:
            _document, _part, _parts = varint(data), varint(data), varint(data)
            self.attachments.setdefault(page.commit, []).append(data.read())
        elif page.kind == RECORDS:
            self.add_records(list(operations(data)), data.read(), page.flags)
        elif page.kind == END:
            self.check_totals(json.loads(inflate(page.payload)))

    def add_dictionary(self, part, parts, data):
        self.parts = [*self.parts[:part], data]
        if len(self.parts) == parts:
            self.dictionary = zstandard.ZstdCompressionDict(inflate(b"".join(self.parts)))

    def add_records(self, columns, packed, flags):
        data = BytesIO(inflate(packed, self.dictionary if flags & WITH_DICTIONARY else None))
        facts = json.loads(data.read(varint(data)) or b"{}")
        self.documents.update((record["number"], record) for record in facts.get("d", []))
        for index, (document, key, size, deletes) in enumerate(columns):
            chunks = self.chunks.setdefault(document, {})
            before = chunks.pop(key, "") if deletes or (index == 0 and flags & CONTINUED) else ""
            if not deletes:
                chunks[key] = before + data.read(size).decode()
        for number in facts.get("x", []):
            del self.documents[number]
            self.chunks.pop(number, None)
        assert not data.read()

    def check_totals(self, end):
        texts = [text for chunks in self.chunks.values() for text in chunks.values()]
        totals = {"documents": len(self.documents), "chunks": len(texts), "text_bytes": len("".join(texts).encode())}
        assert all(end[key] == total for key, total in totals.items())

    def contents(self):
        texts, originals = {}, {}
        for number, record in self.documents.items():
            text = "".join(text for _, text in sorted(self.chunks.get(number, {}).items()))
            original = self.original(**record["original"]) if record.get("original") else None
            data = text.encode(record["encoding"]) if record["encoding"] else original
            assert data is None or (len(data), sha256(data).hexdigest()) == (record["size"], record["digest"])
            texts[record["path"]] = text
            if original is not None:
                originals[record["path"]] = original
        return texts, originals

    def original(self, commit, at, parts, size, packed):
        data = b"".join(self.attachments[commit][at : at + parts])
        return inflate(data, limit=size) if packed else data


def operations(data):
    document = key = 0
    for _ in range(varint(data)):
        head = varint(data)
        if head & PLACED:
            document, key = document + zigzag(data), key + zigzag(data)
        else:
            key += 1 << 24
        yield document, key, head >> 2, bool(head & DELETES)


def varint(data):
    value = shift = 0
    while (byte := data.read(1)[0]) & 128:
        value, shift = value | (byte & 127) << shift, shift + 7
    return value | byte << shift


def zigzag(data):
    value = varint(data)
    return -(value + 1) // 2 if value & 1 else value // 2


def inflate(data, dictionary=None, limit=8 << 20):
    assert zstandard.frame_content_size(data) <= limit
    return zstandard.ZstdDecompressor(dict_data=dictionary).decompress(data, max_output_size=limit)
