"""A second reader of memory files, written from docs/memory-format.md alone."""

import json
import struct
from collections import namedtuple
from contextlib import suppress
from hashlib import blake2b, sha256
from io import BytesIO

import av
import zstandard
import zxingcpp

SIGNS = {sign: value for value, sign in enumerate("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:")}
DICTIONARY, RECORDS, ATTACHMENT, PARITY, END = range(2, 7)
Page = namedtuple("Page", "kind memory commit number flags length payload raw")


def read(path, commit=None):
    """Texts by path and originals by path, at a commit or (None) at the newest one that is whole."""
    state, run, before, number = State(), [], bytes(32), 0
    for page in pages(path):
        run.append(page)
        if page.kind == END and number != commit:
            if not whole(run, before, number + 1):
                break
            for each in run:
                state.apply(each, BytesIO(each.payload))
            run, before, number = [], sha256(page.raw).digest(), number + 1
    assert number and commit in (None, number), f"commit {commit} is not there or not whole"
    return state.contents()


def pages(path):
    found = {}
    for luma in pictures(path):
        for symbol in zxingcpp.read_barcodes(luma, formats=zxingcpp.BarcodeFormat.QRCode, is_pure=True):
            raw = base45(symbol.text)
            raw = raw[: 32 + int.from_bytes(raw[22:24], "big")]
            if raw[:3] == b"MV\x01" and blake2b(raw[:24] + raw[32:], digest_size=8).digest() == raw[24:32]:
                page = Page(*struct.unpack(">3xB8sIIHH8x", raw[:32]), raw[32:], raw)
                found.setdefault(page.number, page)
    return [found[number] for number in sorted(found)]


def pictures(path):
    with av.open(str(path)) as video:
        for packet in video.demux(video=0):
            with suppress(av.FFmpegError):  # what does not decode holds no page
                yield from [frame.to_ndarray(format="gray") for frame in packet.decode()]


def base45(text):
    values = [SIGNS.get(sign, 0) for sign in text]
    triples = zip(values[::3], values[1::3], values[2::3], strict=False)
    return b"".join((a + b * 45 + c * 2025 & 0xFFFF).to_bytes(2, "big") for a, b, c in triples)


def whole(run, before, number):
    end, first = json.loads(inflate(run[-1].payload)), run[0].number
    chained = b"".join(page.raw for page in run[:-1] if page.kind != PARITY)
    places = (end["number"], end["first_frame"], end["frames"]) == (number, first, run[-1].number + 1 - first)
    alike = {(page.commit, page.memory) for page in run} == {(number, run[0].memory)}
    return places and alike and end["chain"] == sha256(before + chained).hexdigest()


class State:
    def __init__(self):
        self.documents, self.chunks, self.attachments, self.parts, self.dictionary = {}, {}, {}, [], None

    def apply(self, page, data):
        if page.kind == DICTIONARY:
            part, parts = varint(data), varint(data)
            self.parts = [*self.parts[:part], data.read()]
            if part + 1 == parts:
                self.dictionary = zstandard.ZstdCompressionDict(inflate(b"".join(self.parts)))
        elif page.kind == ATTACHMENT:
            facts = varint(data), varint(data), varint(data)
            self.attachments.setdefault(page.commit, []).append((facts, data.read()))
        elif page.kind == RECORDS:
            operations = list(columns(data))
            self.records(page.flags, operations, inflate(data.read(), self.dictionary if page.flags & 4 else None))

    def records(self, flags, operations, content):
        data = BytesIO(content)
        facts = json.loads(data.read(varint(data)) or b"{}")
        self.documents.update((record["number"], record) for record in facts.get("d", []))
        for index, (document, key, size, deletes) in enumerate(operations):
            chunks = self.chunks.setdefault(document, {})
            before = chunks.pop(key, "") if deletes or (flags & 1 and index == 0) else ""
            if not deletes:
                chunks[key] = before + data.read(size).decode()
        for number in facts.get("x", []):
            del self.documents[number]
            self.chunks.pop(number, None)

    def contents(self):
        texts, originals = {}, {}
        for number, record in self.documents.items():
            text = "".join(text for _, text in sorted(self.chunks.get(number, {}).items()))
            texts[record["path"]] = text
            if record["encoding"]:
                check(text.encode(record["encoding"]), record)
            if "original" in record:
                originals[record["path"]] = check(self.original(number, **record["original"]), record)
        return texts, originals

    def original(self, number, commit, at, parts, size, packed):
        pieces = self.attachments.get(commit, [])[at : at + parts]
        assert [facts for facts, _ in pieces] == [(number, part, parts) for part in range(parts)]
        data = b"".join(data for _, data in pieces)
        return inflate(data, limit=size) if packed else data


def check(data, record):
    assert (len(data), sha256(data).hexdigest()) == (record["size"], record["digest"]), record["path"]
    return data


def columns(data):
    document = key = 0
    for _ in range(varint(data)):
        head = varint(data)
        step, ahead = (zigzag(data), zigzag(data)) if head & 1 else (0, 1 << 24)
        document, key = document + step, key + ahead
        yield document, key, head >> 2, head & 2


def varint(data):
    value = shift = 0
    while (byte := data.read(1)[0]) & 128:
        value, shift = value | (byte & 127) << shift, shift + 7
    return value | byte << shift


def zigzag(data):
    value = varint(data)
    return -(value + 1) // 2 if value & 1 else value // 2


def inflate(data, dictionary=None, limit=8 << 20):
    assert 0 <= zstandard.frame_content_size(data) <= limit
    return zstandard.ZstdDecompressor(dict_data=dictionary).decompress(data, max_output_size=limit)
