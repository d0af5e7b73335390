"""Pages, records and the packer: whatever goes in comes out, and nothing else is accepted."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from memories.engine import varint
from memories.engine.errors import Damaged, MemvidError
from memories.engine.packer import Packer
from memories.engine.pages import CONTINUED, Kind, Page, unpack
from memories.engine.records import Head, Operation, build, parse

texts = st.text(min_size=1, max_size=400).map(lambda text: text.encode("utf-8", "replace"))
operations = st.builds(
    Operation,
    st.integers(0, 2**32 - 1),
    st.integers(0, 2**61),
    st.one_of(st.none(), texts, st.binary(min_size=700, max_size=2500).map(lambda data: data.hex().encode())),
    st.one_of(st.none(), st.dictionaries(st.text(max_size=5), st.integers(), min_size=1, max_size=3)),
)
usual = {
    "type": "text/plain", "encoding": "utf-8", "size": 1, "digest": "ab" * 32, "tags": [], "meta": {}, "overlap": 0,
    "split": "",
}  # fmt: skip
documents = st.fixed_dictionaries({"number": st.integers(1, 99), "path": st.text(max_size=40)}).map(lambda d: usual | d)
heads = st.one_of(
    st.builds(Head, put=documents),
    st.builds(Head, delete=st.integers(1, 99)),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.one_of(operations, heads), max_size=25), st.sampled_from([1300, 2832]))
def test_records_come_back_from_their_pages(records, capacity):
    packer = Packer(capacity, 3)
    pages = [page for record in records for page in packer.add(record)] + list(packer.finish())
    assert all(len(page.payload) <= capacity for page in pages)
    put, deleted, found = [], [], []
    for page in pages:
        block = parse(page.payload)
        put += block.documents
        deleted += block.deleted
        pieces = block.pieces
        if page.flags & CONTINUED:
            found[-1][2] += pieces.pop(0).text
        assert [operation.order for _, operation in page.begun] == [piece.order for piece in pieces]
        found += [[piece.document, piece.order, piece.text, piece.metadata] for piece in pieces]
    wanted = [r for r in records if isinstance(r, Operation)]
    assert found == [[o.document, o.order, o.text, o.metadata if o.text else None] for o in wanted] or found == [
        [o.document, o.order, o.text, o.metadata] for o in wanted
    ]
    assert put == [r.put for r in records if isinstance(r, Head) and r.put is not None]
    assert deleted == [r.delete for r in records if isinstance(r, Head) and r.put is None]


@given(st.integers(0, 2**64 - 1))
def test_varints(value):
    out = bytearray()
    varint.put(out, value)
    assert varint.get(bytes(out), 0) == (value, len(out))
    assert varint.unzigzag(varint.zigzag(value - 2**63)) == value - 2**63


@given(st.binary(max_size=300), st.integers(0, 2**32 - 1), st.data())
def test_a_page_with_any_flipped_bit_is_refused(payload, number, data):
    packed = bytearray(Page(Kind.RECORDS, b"memoryid", 2, number, payload).pack())
    assert unpack(bytes(packed) + bytes(50)).payload == payload
    packed[data.draw(st.integers(0, len(packed) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(Damaged):
        unpack(bytes(packed))


@settings(deadline=None)
@given(st.binary(max_size=400))
def test_random_bytes_are_no_records(data):
    try:
        parse(data)
    except MemvidError as error:
        assert "\n" not in str(error)


def test_a_page_that_inflates_to_gigabytes_is_refused():
    import zstandard

    columns, _ = build([], [])
    bomb = zstandard.ZstdCompressor().compress(bytes(1 << 26))
    with pytest.raises(Damaged, match="inflates"):
        parse(columns + bomb)
