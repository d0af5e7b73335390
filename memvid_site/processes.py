"""Child processes whose output goes to one place under their names, and that do not outlive this one."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from .stores import die_with_parent

MOST_RESTARTS = 5
RESTART_WINDOW = 60.0  # seconds
_COLOURS = (36, 32, 35, 33, 34)


class Console:
    """Lines of several processes on one terminal. When that is closed, `on_closed` is told and output is dropped."""

    def __init__(self, on_closed: Callable[[], None]):
        self._lock, self._on_closed, self._closed = threading.Lock(), on_closed, False
        self._colour_of: dict[str, int] = {}
        self._colours = sys.stdout.isatty() and "NO_COLOR" not in os.environ

    def line(self, name: str, text: str) -> None:
        label = f"{name:>8} |"
        if self._colours:
            code = self._colour_of.setdefault(name, _COLOURS[len(self._colour_of) % len(_COLOURS)])
            label = f"\x1b[{code}m{label}\x1b[0m"
        self._write(f"{label} {text}\n")

    def say(self, text: str) -> None:
        self._write(f"{text}\n")

    def _write(self, text: str) -> None:
        with self._lock:
            if self._closed:
                return
            try:
                sys.stdout.write(text)
                sys.stdout.flush()
            except (OSError, ValueError):
                self._closed = True
                self._on_closed()


class Restarts:
    """How often something may be started again."""

    def __init__(self) -> None:
        self._ends: deque[float] = deque(maxlen=MOST_RESTARTS + 1)

    def allow(self) -> bool:
        """Notes one more end; False when there were too many of them lately."""
        now = time.monotonic()
        self._ends.append(now)
        return len(self._ends) <= MOST_RESTARTS or now - self._ends[0] > RESTART_WINDOW


class Child:
    """One process in a session of its own, so that Ctrl-C in the terminal reaches only its parent.

    `whole_group` says whether its own children get the stop signal too; `files` are descriptors that it inherits.
    Start it from the main thread only: the kernel ends it with the thread that forked it.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        environment: Mapping[str, str],
        console: Console,
        *,
        folder: Path,
        stop_signal: signal.Signals = signal.SIGTERM,
        whole_group: bool = True,
        grace: float = 10,
        needed: bool = True,
        files: Sequence[int] = (),
    ):
        self.name, self.needed, self._files = name, needed, tuple(files)
        self._command, self._environment, self._console, self._folder = command, environment, console, folder
        self._signal, self._whole_group, self._grace = stop_signal, whole_group, grace
        self._process: subprocess.Popen[bytes] | None = None
        self._pump: threading.Thread | None = None
        self.restarts = Restarts()
        self.last_lines: deque[str] = deque(maxlen=20)
        self.given_up = False

    def start(self) -> None:
        self._process = subprocess.Popen(
            self._command,
            env=self._environment,
            cwd=self._folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=die_with_parent(signal.SIGTERM),
            pass_fds=self._files,
        )
        self._pump = threading.Thread(target=self._copy, args=(self._process.stdout,), daemon=True)
        self._pump.start()

    def _copy(self, stream) -> None:
        for raw in stream:
            text = raw.decode("utf-8", "replace").rstrip()
            if text:
                self.last_lines.append(text)
                self._console.line(self.name, text)

    @property
    def code(self) -> int | None:
        """None while it runs, or before it was started."""
        return self._process.poll() if self._process else None

    def await_end(self, stop: threading.Event) -> int | None:
        """Its exit code; None when `stop` was set first."""
        while self.code is None:
            if stop.wait(0.02):
                return None
        self._drain()
        return self.code

    def ask_to_stop(self) -> None:
        if self._process is None or self.code is not None:
            return
        if self._whole_group:
            self._kill_group(self._signal)
        else:
            self._process.send_signal(self._signal)

    def end(self, hurry: threading.Event) -> None:
        """Waits for it after `ask_to_stop`, then kills what is left of it and of its children."""
        if self._process is None:
            return
        deadline = time.monotonic() + self._grace
        while self.code is None and time.monotonic() < deadline and not hurry.is_set():
            time.sleep(0.02)
        if self.code is None:
            self._console.say(f"{self.name} does not end and is killed")
        self._kill_group(signal.SIGKILL)
        self._process.wait()
        self._drain()

    def _kill_group(self, sig: signal.Signals) -> None:
        with suppress(ProcessLookupError, PermissionError):  # the latter on macOS, of a group of zombies
            os.killpg(self._process.pid, sig)

    def _drain(self) -> None:
        self._pump.join(1)
