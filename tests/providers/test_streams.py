"""The door's other ways: streams, greetings, pace, and the connections it keeps."""

from __future__ import annotations

import threading

import pytest

from providers.errors import AddressRefused, BadAnswer, ProviderError, RateLimited, Unreachable
from providers.http import Door
from providers.types import Headers, Rules
from tests.providers.farend import Caller, FarEnd, always, hang, in_turn, mute, once, reply
from tests.providers.network import ADDRESS, NAME, FakeNetwork, towards

BASE = f"http://{NAME}"
TOKEN = "glpat-test-0123456789abcdef"
AUTH = {"Authorization": f"Bearer {TOKEN}"}


# -- connections ---------------------------------------------------------------------------------


def test_connections_are_kept_and_shared_and_no_more_than_needed() -> None:
    with FarEnd(always(reply({}))) as far:
        network = towards(far.place)
        with Door(network=network) as door:

            def work() -> None:
                for _ in range(20):
                    door.ask("GET", BASE, rules=Rules(), headers={})

            crew = [threading.Thread(target=work) for _ in range(5)]
            for thread in crew:
                thread.start()
            for thread in crew:
                thread.join()
    assert len(far.requests) == 100
    assert len(network.dialled) <= 5


def test_a_kept_connection_is_dialled_and_judged_anew_after_five_minutes() -> None:
    with FarEnd(always(reply({}))) as far:
        network = towards(far.place)
        with Door(network=network) as door:
            door.ask("GET", BASE, rules=Rules(), headers={})
            network.later = 301.0
            network.names[NAME] = ["10.0.0.1"]
            with pytest.raises(AddressRefused, match="address_not_public"):
                door.ask("GET", BASE, rules=Rules(), headers={})
    assert network.dialled == [(ADDRESS, 80)]


def test_hosts_with_other_rules_share_no_connection() -> None:
    with FarEnd(always(reply({}))) as far:
        network = FakeNetwork({NAME: ["10.1.2.3"]}, {("10.1.2.3", 80): far.place})
        with Door(network=network) as door:
            door.ask("GET", BASE, rules=Rules(private=("10.0.0.0/8",)), headers={})
            with pytest.raises(AddressRefused):
                door.ask("GET", BASE, rules=Rules(), headers={})


@pytest.mark.parametrize(
    "bad", [reply({}, headers={"Content-Encoding": "gzip"}), reply(b"x" * 5000)]
)
def test_a_connection_with_a_rest_on_it_is_not_used_again(bad: bytes) -> None:
    script = in_turn(iter([bad, reply({"good": 1})]))
    with FarEnd(script) as far, Door(network=towards(far.place)) as door:
        with pytest.raises(BadAnswer):
            door.ask("GET", BASE, rules=Rules(), headers={}, cap=4096)
        assert door.ask("GET", BASE, rules=Rules(), headers={}).object() == {"good": 1}
    assert far.calls == 2


def test_a_connection_that_the_host_has_closed_is_not_used_again() -> None:
    with FarEnd(once(reply({}))) as far, Door(network=towards(far.place)) as door:
        for _ in range(3):
            door.ask("GET", BASE, rules=Rules(), headers={})
            assert far.ended.acquire(timeout=10)
    assert far.calls == 3


def test_idle_connections_are_hung_up() -> None:
    with FarEnd(always(reply({}))) as far:
        network = towards(far.place)
        with Door(network=network) as door:
            door.ask("GET", BASE, rules=Rules(), headers={})
            network.later = 301.0
            door.tidy()
            network.later = 0.0
            door.ask("GET", BASE, rules=Rules(), headers={})
    assert far.calls == 2


# -- pace ----------------------------------------------------------------------------------------


class Diary:
    """A pace that writes down what it is told."""

    def __init__(self, closed: ProviderError | None = None) -> None:
        self.lines: list[tuple[str, str, int]] = []
        self.closed = closed

    def wait(self, origin: str) -> None:
        if self.closed:
            raise self.closed
        self.lines.append(("wait", origin, -1))

    def learn(self, origin: str, headers: Headers, status: int) -> None:
        self.lines.append(("learn", headers.get("x-left", ""), status))


def test_every_wait_is_followed_by_what_came_of_it() -> None:
    diary = Diary()
    script = in_turn(iter([reply({}, headers={"X-Left": "7"}), b"garbage\r\n\r\n"]))
    with FarEnd(script) as far, Door(network=towards(far.place), pace=diary) as door:
        door.ask("GET", BASE, rules=Rules(), headers={})
        with pytest.raises(BadAnswer):
            door.ask("GET", BASE, rules=Rules(), headers={})
    wait = ("wait", BASE, -1)
    assert diary.lines == [wait, ("learn", "7", 200), wait, ("learn", "", 0)]


def test_a_closed_pace_stops_a_request_before_it_starts() -> None:
    network = FakeNetwork({NAME: [ADDRESS]})
    door = Door(network=network, pace=Diary(RateLimited(retry_after=30.0)))
    with door, pytest.raises(RateLimited):
        door.ask("GET", BASE, rules=Rules(), headers={})
    assert network.asked == []


# -- streams and greetings -----------------------------------------------------------------------


def test_a_stream_hands_on_what_comes_when_it_comes() -> None:
    heard = threading.Event()

    def script(caller: Caller) -> None:
        caller.request()
        caller.say(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n")
        heard.wait(10)
        caller.say(b"4\r\nlast\r\n0\r\n\r\n")

    with (
        FarEnd(script) as far,
        Door(network=towards(far.place)) as door,
        door.stream("GET", BASE, rules=Rules(), headers={}, seconds=10.0) as stream,
    ):
        assert stream.status == 200
        assert next(stream.pieces) == b"first"
        heard.set()
        assert b"".join(stream.pieces) == b"last"


def test_a_stream_may_take_long_but_not_pause_long() -> None:
    def script(caller: Caller) -> None:
        caller.request()
        caller.say(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n")
        for _ in range(6):
            caller.say(b"x")
            caller.wait(0.25)
        caller.wait()

    held: list[bytes] = []
    with (
        FarEnd(script) as far,
        Door(network=towards(far.place)) as door,
        door.stream("GET", BASE, rules=Rules(), headers={}, seconds=1.0) as stream,
    ):
        with pytest.raises(Unreachable, match="timeout"):
            held.extend(stream.pieces)
        assert b"".join(held) == b"x" * 6


def test_a_slow_reader_is_not_a_slow_host() -> None:
    slow = threading.Event()
    with (
        FarEnd(always(reply(b"x" * 300_000))) as far,
        Door(network=towards(far.place)) as door,
        door.stream("GET", BASE, rules=Rules(), headers={}, seconds=0.3) as stream,
    ):
        first = next(stream.pieces)
        slow.wait(0.6)
        assert len(first + b"".join(stream.pieces)) == 300_000


WHOLE = b"x" * 200_000
CHUNKED = (
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n30d40\r\n" + WHOLE + b"\r\n0\r\n\r\n"
)


@pytest.mark.parametrize("said", [reply(WHOLE), CHUNKED], ids=["announced", "chunked"])
def test_a_stream_that_was_read_to_its_end_leaves_a_connection_behind(said: bytes) -> None:
    with FarEnd(always(said)) as far, Door(network=towards(far.place)) as door:
        for _ in range(3):
            with door.stream("GET", BASE, rules=Rules(), headers={}) as stream:
                assert b"".join(stream.pieces) == WHOLE
    assert far.calls == 1


def test_a_stream_that_is_left_early_hangs_up() -> None:
    with FarEnd(always(reply(b"x" * 500_000))) as far, Door(network=towards(far.place)) as door:
        for _ in range(2):
            with door.stream("GET", BASE, rules=Rules(), headers={}) as stream:
                assert next(stream.pieces)
    assert far.calls == 2


def test_a_greeting_dials_and_says_nothing() -> None:
    with FarEnd(mute) as far, Door(network=towards(far.place)) as door:
        greeting = door.greet(BASE, rules=Rules())
        assert (greeting.address, greeting.tls_ms, greeting.tls_version) == (ADDRESS, None, "")
    assert far.heard == b""


def test_calls_of_one_errand_share_one_deadline() -> None:
    with FarEnd(hang) as far, Door(network=towards(far.place)) as door:
        errand = door.within(0.3)
        for _ in range(3):
            with pytest.raises(Unreachable, match="timeout"):
                errand.ask("GET", BASE, rules=Rules(), headers={})
        with pytest.raises(Unreachable, match="timeout"):
            errand.greet(BASE, rules=Rules())
    assert far.calls == 1


def test_an_errand_keeps_its_connections_for_the_next() -> None:
    with FarEnd(always(reply({}))) as far, Door(network=towards(far.place)) as door:
        for _ in range(3):
            door.within(10).ask("GET", BASE, rules=Rules(), headers={})
    assert far.calls == 1
