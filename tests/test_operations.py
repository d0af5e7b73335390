"""What `make run` refuses, and how it holds its processes."""

import os
import shutil
import signal
import socket
import sys
import threading
from collections import namedtuple
from types import SimpleNamespace

import psutil
import pytest

from memvid_site import supervisor
from memvid_site.processes import MOST_RESTARTS, Child, Console, Restarts
from memvid_site.supervisor import Refused
from tests.running import ROOT, free_port, runs


class Heard(Console):
    """Keeps what would be printed."""

    def __init__(self):
        super().__init__(lambda: None)
        self.text = ""

    def _write(self, text):
        self.text += text


@pytest.fixture
def console() -> Heard:
    return Heard()


@pytest.fixture
def child(console):
    started = []

    def run(code: str, **options) -> Child:
        one = Child("child", [sys.executable, "-c", code], dict(os.environ), console, folder=ROOT, **options)
        started.append(one)
        one.start()
        return one

    yield run
    for one in started:
        one.end(set_event())


def set_event() -> threading.Event:
    event = threading.Event()
    event.set()
    return event


# -- refusals


def test_a_port_that_is_taken_is_named_with_a_way_out():
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(Refused, match=rf"port {port} .* PORT={port + 1} make run"):
            supervisor.listen("127.0.0.1", port)


def test_a_free_port_passes():
    supervisor.listen("127.0.0.1", free_port()).close()


def test_a_data_folder_has_one_run(tmp_path):
    held = supervisor.lock(tmp_path)
    with pytest.raises(Refused, match=f"in use by another `make run` \\(process {os.getpid()}\\)"):
        supervisor.lock(tmp_path)
    os.close(held)
    os.close(supervisor.lock(tmp_path))


def test_a_full_disk_is_refused_before_anything_starts(tmp_path, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(1 << 30, 1 << 30, 3 << 20))
    with pytest.raises(Refused, match="only 3 MB are free"):
        supervisor.check_space(tmp_path)


@pytest.mark.parametrize("port", ["eighty", "-1", "0", "65536", "80 80"])
def test_a_port_that_is_none(monkeypatch, port):
    monkeypatch.setenv("PORT", port)
    with pytest.raises(Refused, match="PORT is"):
        supervisor.read_settings()


def test_stores_that_are_named_and_do_not_answer(monkeypatch):
    run = supervisor.Run()
    monkeypatch.setattr(supervisor, "_POSTGRES_LATER", 0.0)
    with pytest.raises(Refused, match=r"DATABASE_URL: .*[Cc]onnection refused"):
        run._check_database(f"postgresql://nobody@127.0.0.1:{free_port()}/none")
    for url in (f"redis://127.0.0.1:{free_port()}/0", "http://127.0.0.1/"):
        with pytest.raises(Refused, match="REDIS_URL: "):
            run._check_redis(url)


def test_the_reason_of_a_traceback_is_the_line_that_names_it():
    lines = ["Traceback", "  File x", "django.db.utils.ProgrammingError: no such column", "LINE 1: x", "   ^"]
    assert supervisor._reason(lines) == "django.db.utils.ProgrammingError: no such column"
    assert supervisor._reason(["CommandError: too bad"]) == "CommandError: too bad"
    assert supervisor._reason(["nothing to see"]) == ""


# -- processes


def test_lines_carry_the_name_of_their_process(child, console):
    one = child("print('hello'); print('caf\\u00e9')")
    assert one.await_end(threading.Event()) == 0
    assert console.text == "   child | hello\n   child | café\n"


def test_a_process_that_ignores_the_signal_is_killed_with_its_children(child, console, tmp_path):
    code = (
        "import signal, subprocess, sys, time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "other = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        "print(other.pid, flush=True)\n"
        "time.sleep(600)\n"
    )
    said = threading.Event()
    console.line = lambda name, text: said.set()
    one = child(code, grace=0.1)
    assert said.wait(30)
    one.ask_to_stop()
    one.end(threading.Event())
    assert one.code == -signal.SIGKILL
    assert "killed" in console.text
    pid = int(one.last_lines[0])
    assert not psutil.pid_exists(pid) or not runs(psutil.Process(pid))


def test_waiting_for_a_process_ends_when_somebody_wants_to_stop(child):
    assert child("import time; time.sleep(600)").await_end(set_event()) is None


def test_restarts_are_limited_within_a_window(monkeypatch):
    clock = SimpleNamespace(now=0.0)
    monkeypatch.setattr("memvid_site.processes.time.monotonic", lambda: clock.now)
    restarts = Restarts()
    assert all(restarts.allow() for _ in range(MOST_RESTARTS))
    assert not restarts.allow()
    clock.now = 1000.0
    assert restarts.allow()


def test_a_needed_process_that_keeps_ending_ends_the_run_and_another_is_left_out(console):
    run = supervisor.Run()
    run.console = console
    for name, needed in (("web", True), ("embedder", False)):
        one = Child(name, [sys.executable, "-c", "raise SystemExit(3)"], dict(os.environ), console, folder=ROOT,
                    needed=needed)  # fmt: skip
        one.start()
        one.await_end(threading.Event())
        for _ in range(MOST_RESTARTS):
            run._again(one)
            one.await_end(threading.Event())
        if needed:
            with pytest.raises(Refused, match=r"web keeps ending \(code 3\)"):
                run._again(one)
        else:
            run._again(one)
            assert one.given_up


def test_a_closed_terminal_asks_for_the_end_and_harms_nobody(monkeypatch):
    closed = threading.Event()
    console = Console(closed.set)
    monkeypatch.setattr(sys, "stdout", SimpleNamespace(write=broken_pipe, flush=broken_pipe))
    console.say("hello?")
    console.line("web", "still here")
    assert closed.is_set()


def broken_pipe(*_):
    raise BrokenPipeError


def test_asking_twice_hurries():
    run = supervisor.Run()
    run._asked()
    assert run.stop.is_set() and not run.hurry.is_set()
    run._asked()
    assert run.hurry.is_set()
