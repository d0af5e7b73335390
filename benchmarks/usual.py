"""The usual way to put text into a video, to measure beside ours: one symbol of a QR library for each chunk."""

import time
from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np
import qrcode

VERSION = 35
LEVEL = qrcode.constants.ERROR_CORRECT_M  # 1,812 bytes at that version
# The fewest pixels per module that mp4v as OpenCV writes it keeps readable; the field draws larger, so slower.
SCALE = 2
BORDER = 4
SIDE = (17 + 4 * VERSION + 2 * BORDER) * SCALE


def usual_seconds(chunks: Iterable[str], path: Path) -> list[float]:
    """Seconds for each chunk, from text to a frame in the video."""
    video = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), 30, (SIDE, SIDE))
    if not video.isOpened():
        raise RuntimeError("this build of OpenCV cannot write mp4v")
    taken = []
    for chunk in chunks:
        begun = time.perf_counter()
        video.write(_frame(chunk))
        taken.append(time.perf_counter() - begun)
    video.release()
    return taken


def _frame(chunk: str) -> np.ndarray:
    """uint8 (SIDE, SIDE, 3)."""
    code = qrcode.QRCode(version=VERSION, error_correction=LEVEL, box_size=SCALE, border=BORDER)
    code.add_data(chunk)
    code.make(fit=False)
    return np.array(code.make_image().convert("RGB"))
