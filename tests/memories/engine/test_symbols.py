"""The batch encoder against the `qrcode` package, and its own inverse."""

import numpy as np
import pytest
import qrcode
from hypothesis import given, settings
from hypothesis import strategies as st
from qrcode.util import MODE_ALPHA_NUM, QRData

from memories.engine.coding import ALPHABET, CODINGS, decodings
from memories.engine.errors import Damaged
from memories.engine.pages import Kind, Page
from memories.engine.readers import pyzbar_decode, pyzbar_texts, read_photo, zxing_texts
from memories.engine.symbols import ERROR_LEVELS, Geometry, SymbolMaker, symbol_maker

RANDOM = np.random.default_rng(5)


def base45(data: bytes) -> str:
    """RFC 9285, digit by digit."""
    alphabet, out = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:", ""
    for i in range(0, len(data), 2):
        value = data[i] * 256 + data[i + 1]
        out += alphabet[value % 45] + alphabet[value // 45 % 45] + alphabet[value // 2025]
    return out


def dense(data: bytes, characters: int) -> str:
    """Each group of up to 70 characters is one number in base 45 and holds the bytes that always fit."""
    out = ""
    for at in range(0, characters, 70):
        size = min(70, characters - at)
        room = max(n for n in range(49) if 256**n <= 45**size)
        value, data = int.from_bytes(data[:room], "big"), data[room:]
        out += "".join(chr(ALPHABET[value // 45**place % 45]) for place in range(size - 1, -1, -1))
    assert not data
    return out


def text_of(page: np.ndarray, maker: SymbolMaker) -> str:
    if maker.geometry.coding == "base45":
        return base45(page.tobytes())
    return dense(page.tobytes(), 2 * maker.pairs)


def random_pages(maker: SymbolMaker, count: int) -> np.ndarray:
    return RANDOM.integers(0, 256, (count, maker.capacity), dtype=np.uint8)


@pytest.mark.parametrize("coding", CODINGS)
@pytest.mark.parametrize(
    "version, error, mask",
    [(40, "L", 0), (40, "M", 0), (40, "H", 7), (33, "Q", 2), (26, "M", 4), (10, "L", 5), (7, "H", 6), (2, "L", 3)],
)
def test_it_draws_what_the_reference_library_draws(version, error, mask, coding):
    maker = SymbolMaker(Geometry(version, error, mask, coding=coding))
    pages = random_pages(maker, 3)
    pages[0] = 255
    drawn = maker.modules(pages)
    for page, modules in zip(pages, drawn, strict=True):
        code = qrcode.QRCode(version=version, error_correction=ERROR_LEVELS[error], mask_pattern=mask)
        code.add_data(QRData(text_of(page, maker), mode=MODE_ALPHA_NUM))
        code.make(fit=False)
        assert np.array_equal(np.array(code.modules, bool), modules.astype(bool))
    assert np.array_equal(maker.pages(drawn), pages)


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 120), st.data())
def test_a_page_comes_back_from_the_text_of_its_symbol(pairs, data):
    for name, kind in CODINGS.items():
        coding = kind(pairs)
        page = data.draw(st.binary(min_size=coding.capacity, max_size=coding.capacity))
        text = dense(page, 2 * pairs) if name == "dense" else base45(page)
        assert page in decodings(text) if text else not page


@pytest.mark.parametrize("text", ["lower", "ABC", "A\0", "知識"])
def test_a_text_of_no_coding_is_refused(text):
    with pytest.raises(Damaged):
        decodings(text)


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_two_independent_readers_agree(scale):
    if pyzbar_decode() is None:
        pytest.skip("libzbar0 is not installed")
    maker = symbol_maker(Geometry(40, "L", 0, scale, coding="dense"))
    pages = random_pages(maker, 4)
    for page, frame in zip(pages, maker.frames(maker.modules(pages)), strict=True):
        text = text_of(page, maker)
        assert zxing_texts(frame, pure=True) == [text]
        assert pyzbar_texts(frame) == [text]


def test_a_photo_of_a_frame_is_read():
    """Turned, in perspective, unevenly lit, in colour."""
    cv2 = pytest.importorskip("cv2")
    maker = symbol_maker(Geometry(40, "L", 0, 4, coding="dense"))
    page = Page(Kind.RECORDS, b"12345678", 3, 17, b"what stands on the screen" * 50)
    data = np.frombuffer(page.pack().ljust(maker.capacity, b"\0"), np.uint8)[None]
    frame = maker.frames(maker.modules(data))[0]
    side = frame.shape[0]
    corners = np.array([[0, 0], [side, 0], [side, side], [0, side]], np.float32)
    seen = np.array([[90, 60], [850, 110], [810, 860], [60, 800]], np.float32)
    photo = cv2.warpPerspective(frame, cv2.getPerspectiveTransform(corners, seen), (960, 960), borderValue=180)
    light = np.linspace(0.7, 1.0, 960)[None, :, None]
    photo = (np.repeat(photo[:, :, None], 3, axis=2) * light).astype(np.uint8)
    assert read_photo(photo) == page
