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
Page = namedtuple("Page", "kind memory commit number flags payload raw")


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
            raw = dense(symbol.text)
            raw = raw[: 32 + int.from_bytes(raw[22:24], "big")]
            if raw[:3] == b"MV\x01" and blake2b(raw[:24] + raw[32:], digest_size=8).digest() == raw[24:32]:
                page = Page(*struct.unpack(">3xB8sIIH10x", raw[:32]), raw[32:], raw)
                found.setdefault(page.number, page)
    return [found[number] for number in sorted(found)]


def pictures(path):
    with av.open(str(path)) as video:
        for packet in video.demux(video=0):
            with suppress(av.FFmpegError):  # what does not decode holds no page
                yield from [frame.to_ndarray(format="gray") for frame in packet.decode()]


def dense(text):
    return b"".join(group(text[at : at + 70]) for at in range(0, len(text), 70))


def group(text):
    size, value = max(n for n in range(49) if 256**n <= 45 ** len(text)), 0
    for sign in text:
        value = value * 45 + SIGNS.get(sign, 0)
    return (value % 256**size).to_bytes(size, "big")


def whole(run, before, number):
    end, first = json.loads(inflate(run[-1].payload)), run[0].number
    chain = sha256(before + b"".join(page.raw for page in run[:-1] if page.kind != PARITY)).hexdigest()
    facts = {"number": number, "first_frame": first, "frames": run[-1].number + 1 - first, "chain": chain}
    alike = {(page.memory, page.commit) for page in run} == {(run[0].memory, number)}
    return alike and all(end[key] == fact for key, fact in facts.items())


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
            path, chunks = record["path"], self.chunks.get(number, {})
            texts[path] = "".join(chunks[key] for key in sorted(chunks))
            data = texts[path].encode(record["encoding"]) if record["encoding"] else None
            if "original" in record:
                data = originals[path] = self.original(number, **record["original"])
            if data is not None:
                assert (len(data), sha256(data).hexdigest()) == (record["size"], record["digest"]), path
        return texts, originals

    def original(self, number, commit, at, parts, size, packed):
        pieces = self.attachments.get(commit, [])[at : at + parts]
        assert [facts for facts, _ in pieces] == [(number, part, parts) for part in range(parts)]
        data = b"".join(data for _, data in pieces)
        return inflate(data, limit=size) if packed else data


def columns(data):
    document = key = 0
    for _ in range(varint(data)):
        head = varint(data)
        document += zigzag(varint(data)) if head & 1 else 0
        key += zigzag(varint(data)) if head & 1 else 1 << 24
        yield document, key, head >> 2, head & 2


def varint(data):
    value = shift = 0
    while (byte := data.read(1)[0]) & 128:
        value, shift = value | (byte & 127) << shift, shift + 7
    return value | byte << shift


def zigzag(value):
    return -(value + 1) // 2 if value & 1 else value // 2


def inflate(data, dictionary=None, limit=8 << 20):
    assert 0 <= zstandard.frame_content_size(data) <= limit
    return zstandard.ZstdDecompressor(dict_data=dictionary).decompress(data, max_output_size=limit)
