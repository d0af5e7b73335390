"""Which of the processes that listen on one socket takes a connection."""

import pytest
from twisted.internet import tcp
from twisted.internet.task import Clock

from memvid_site.serve import MOST_WAITS, WAIT, SharedPort


class Reactor(Clock):
    listening = True

    def addReader(self, port: tcp.Port) -> None:
        self.listening = True

    def removeReader(self, port: tcp.Port) -> None:
        self.listening = False


@pytest.fixture
def port(monkeypatch) -> SharedPort:
    port = SharedPort(0, None, reactor=Reactor())
    port.connected, port.taken = True, []
    monkeypatch.setattr(tcp.Port, "doRead", lambda self: self.taken.append(self.numberAccepts))
    return port


def test_an_idle_process_takes_one_at_once(port):
    port.doRead()
    assert port.taken == [1] and port.reactor.listening


def test_a_busy_one_leaves_it_to_the_others_for_a_while(port):
    port.open = 3
    port.doRead()
    assert not port.reactor.listening
    port.reactor.advance(2.9 * WAIT)
    assert port.taken == []
    port.reactor.advance(0.2 * WAIT)
    assert port.taken == [1] and port.reactor.listening


def test_with_many_it_waits_no_longer_and_takes_all_that_wait(port):
    port.open, port.numberAccepts = 5_000, 100
    port.doRead()
    port.reactor.advance(MOST_WAITS * WAIT)
    assert port.taken == [100]


def test_at_the_end_nothing_is_taken_any_more(port):
    port.open = 1
    port.doRead()
    port.connected = False
    port.reactor.advance(1)
    assert port.taken == [] and not port.reactor.listening
