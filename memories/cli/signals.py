"""Ctrl-C and SIGTERM: the command cleans up, says one line and exits with 128 + the signal's number."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

SIGNALS = (signal.SIGINT, signal.SIGTERM)
SPOKEN = {signal.SIGINT: "interrupted", signal.SIGTERM: "terminated"}


class Stopped(KeyboardInterrupt):
    def __init__(self, number: int) -> None:
        super().__init__(SPOKEN[signal.Signals(number)])
        self.number = number


def end_at_once(number: int, frame: FrameType | None = None) -> NoReturn:
    os.write(2, f"memvid: {SPOKEN[signal.Signals(number)]}\n".encode())
    os._exit(128 + number)


def handle(handler: signal.Handlers | object) -> None:
    """What is ignored (by nohup, or in the background of a script) stays so."""
    for number in SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, handler)


@contextmanager
def stoppable() -> Iterator[None]:
    """A signal raises Stopped inside; a second one does not wait for the cleaning up."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in SIGNALS}
    handle(_stop)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _stop(number: int, frame: FrameType | None) -> None:
    handle(end_at_once)
    if _importing(frame):  # an exception inside the initialiser of a compiled module aborts the process
        end_at_once(number)
    raise Stopped(number)


def _importing(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code.co_filename == "<frozen importlib._bootstrap>":
            return True
        frame = frame.f_back
    return False
