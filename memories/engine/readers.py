"""A picture of a symbol back to its page.

A frame straight from the file is read by sampling the grid, the exact inverse of the writer (0.06 ms).
When that fails, or the picture is not such a frame (re-encoded, scaled, photographed), zxing-cpp reads
it, then pyzbar where libzbar is installed, then zxing-cpp once more after OpenCV has straightened it.
A page counts only if its digest holds, so no reader can return something wrong.
"""

from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import cache

import numpy as np
import zxingcpp

from .coding import decodings
from .errors import Damaged
from .pages import Page, unpack
from .symbols import SymbolMaker


def read_grid(luma: np.ndarray, maker: SymbolMaker) -> Page:
    if luma.shape != maker.geometry.frame_size:
        raise Damaged("the frame has another size than the file's")
    return unpack(maker.pages(maker.sample(luma[None]))[0].tobytes())


def zxing_texts(luma: np.ndarray, *, pure: bool = False) -> list[str]:
    found = zxingcpp.read_barcodes(np.ascontiguousarray(luma), formats=zxingcpp.BarcodeFormat.QRCode, is_pure=pure)
    return [barcode.text for barcode in found]


@cache
def pyzbar_decode() -> Callable | None:
    """pyzbar's decoder, or None where the zbar library is not installed."""
    try:
        from pyzbar.pyzbar import ZBarSymbol, decode
    except ImportError:
        return None
    return lambda image: decode(image, symbols=[ZBarSymbol.QRCODE])


def pyzbar_texts(luma: np.ndarray) -> list[str]:
    decode = pyzbar_decode()
    if decode is None:
        return []
    small = min(luma.shape) < 512  # zbar cannot read modules of one pixel
    image = luma.repeat(3, axis=0).repeat(3, axis=1) if small else luma
    return [found.data.decode("ascii", "replace") for found in decode(np.ascontiguousarray(image))]


def straightened(luma: np.ndarray) -> Iterator[np.ndarray]:
    """The picture's code as a square seen from the front, at some sizes."""
    import cv2

    detector = cv2.QRCodeDetector()
    found, corners = detector.detect(luma)
    if not found or corners is None:
        return
    for side in (1062, 1416):
        border = side // 20
        square = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], np.float32) * side + border
        matrix = cv2.getPerspectiveTransform(corners.reshape(4, 2).astype(np.float32), square)
        yield cv2.warpPerspective(luma, matrix, (side + 2 * border,) * 2, borderValue=255)


def readers() -> list[str]:
    return ["zxing-cpp", "pyzbar"] if pyzbar_decode() else ["zxing-cpp"]


def _pages(texts: list[str]) -> Iterator[Page]:
    for text in texts:
        with suppress(Damaged):
            for data in decodings(text):
                with suppress(Damaged):
                    yield unpack(data)


def read_with(reader: str, luma: np.ndarray) -> Page | None:
    """One named reader alone, for verification."""
    texts = pyzbar_texts(luma) if reader == "pyzbar" else zxing_texts(luma, pure=True) or zxing_texts(luma)
    return next(_pages(texts), None)


def read_frame(luma: np.ndarray, maker: SymbolMaker | None = None) -> Page:
    """The page of one frame, by the first reader that succeeds; raises Damaged when none does."""
    if maker is not None:
        try:
            return read_grid(luma, maker)
        except Damaged:
            pass
    for texts in (lambda: zxing_texts(luma, pure=True), lambda: zxing_texts(luma), lambda: pyzbar_texts(luma)):
        for page in _pages(texts()):
            return page
    raise Damaged("no reader finds a whole page in the frame")


def read_photo(image: np.ndarray) -> Page:
    """The page on a photo or screenshot: (height, width) or (height, width, 3) uint8."""
    luma = image if image.ndim == 2 else image.mean(axis=2).astype(np.uint8)
    try:
        return read_frame(luma)
    except Damaged:
        pass
    for square in straightened(luma):
        for page in _pages(zxing_texts(square)):
            return page
    raise Damaged("no page of a memory can be read from this picture: try a sharper or straighter one")
