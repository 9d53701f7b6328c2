"""Dialling: only judged addresses, TLS by name, what is wrong with a certificate, and proxies."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from providers.dial import Network, Trust
from providers.errors import AddressRefused, Unreachable
from providers.http import Door
from providers.types import Rules
from tests.providers.certificates import DAY, Authority, self_signed
from tests.providers.farend import Caller, FarEnd, Script, always, mute, once, reply
from tests.providers.network import ADDRESS, NAME, FakeNetwork, towards

SECURE = f"https://{NAME}"
TOKEN = "glpat-test-0123456789abcdef"
AUTH = {"Authorization": f"Bearer {TOKEN}"}
OURS = Authority()


def trusting(authority: Authority = OURS) -> Rules:
    return Rules(ca_bundle=authority.pem)


def refused(server: ssl.SSLContext, rules: Rules | None = None) -> Unreachable:
    """How a request over TLS ends, after not one byte of it was sent."""
    with FarEnd(mute, tls=server) as far, Door(network=towards(far.place, port=443)) as door:
        with pytest.raises(Unreachable) as failure:
            door.ask("GET", SECURE, rules=rules or trusting(), headers=AUTH)
        assert failure.value.__suppress_context__ or failure.value.__context__ is None
    assert far.heard == b""
    return failure.value


# -- names and addresses -------------------------------------------------------------------------


def test_one_bad_answer_condemns_the_name() -> None:
    network = FakeNetwork({NAME: [ADDRESS, "::1"]})
    with Door(network=network) as door, pytest.raises(AddressRefused, match="address_not_public"):
        door.ask("GET", f"http://{NAME}", rules=Rules(), headers={})
    assert network.dialled == []


def test_the_next_address_is_tried_when_one_refuses() -> None:
    with FarEnd(once(reply({}))) as far:
        network = FakeNetwork({NAME: ["93.184.216.35", ADDRESS]}, {(ADDRESS, 80): far.place})
        with Door(network=network) as door:
            assert door.ask("GET", f"http://{NAME}", rules=Rules(), headers={}).status == 200
    assert network.dialled == [("93.184.216.35", 80), (ADDRESS, 80)]


def test_no_more_than_eight_addresses_are_tried() -> None:
    network = FakeNetwork({NAME: [f"93.184.216.{n}" for n in range(20)]})
    with Door(network=network) as door, pytest.raises(Unreachable, match="refused"):
        door.ask("GET", f"http://{NAME}", rules=Rules(), headers={})
    assert len(network.dialled) == 8


def test_whoever_answers_from_another_address_is_hung_up_on() -> None:
    with FarEnd(mute) as far:
        network = towards(far.place)
        network.lies[ADDRESS] = "10.0.0.1"
        with Door(network=network) as door, pytest.raises(AddressRefused):
            door.ask("GET", f"http://{NAME}", rules=Rules(), headers=AUTH)
    assert far.heard == b""


def test_the_system_resolver_takes_whole_names_and_gives_up() -> None:
    network = Network()
    assert "127.0.0.1" in network.resolve("localhost", 80, 5.0)
    with pytest.raises(Unreachable, match="dns"):
        network.resolve("nobody.invalid", 80, 5.0)
    with pytest.raises(Unreachable, match="dns"):
        network.resolve("a" * 64 + ".invalid", 80, 5.0)


def test_a_resolver_that_hangs_takes_no_more_than_its_share() -> None:
    network, free = Network(resolvers=1), threading.Event()
    network.crew.submit(free.wait, 10)
    with Door(network=network) as door, pytest.raises(Unreachable, match="dns"):
        door.ask("GET", f"http://{NAME}", rules=Rules(), headers={}, seconds=0.3)
    free.set()


def test_a_peer_is_who_the_system_says() -> None:
    network = Network()
    with FarEnd(mute) as far:
        sock = network.connect("127.0.0.1", far.place[1], 5.0)
        assert network.peer(sock) == "127.0.0.1"
        sock.close()
    with pytest.raises(ConnectionRefusedError):
        network.connect("127.0.0.1", far.place[1], 5.0)


# -- loopback: the sandbox alone -----------------------------------------------------------------


def test_the_sandbox_is_one_host_and_one_port_on_loopback() -> None:
    with FarEnd(always(reply({}))) as far, Door() as door:
        port = far.place[1]
        here = f"http://127.0.0.1:{port}"
        sandbox = Rules(sandbox=("127.0.0.1", port))
        assert door.ask("GET", here, rules=sandbox, headers={}).status == 200
        for other in (
            Rules(),
            Rules(sandbox=("127.0.0.1", port - 1)),
            Rules(sandbox=("localhost", port)),
            Rules(private=("127.0.0.0/8",)),
        ):
            with pytest.raises(AddressRefused, match="address_not_public"):
                door.ask("GET", here, rules=other, headers={})
    assert far.calls == 1


def test_another_name_of_loopback_is_not_the_sandbox() -> None:
    network = FakeNetwork({NAME: ["127.0.0.1"]})
    with Door(network=network) as door, pytest.raises(AddressRefused):
        door.ask("GET", f"http://{NAME}:8080", rules=Rules(sandbox=("127.0.0.1", 8080)), headers={})
    assert network.dialled == []


# -- TLS -----------------------------------------------------------------------------------------


def test_a_certificate_is_checked_by_the_typed_name() -> None:
    with (
        FarEnd(always(reply({})), tls=OURS.server(NAME)) as far,
        Door(network=towards(far.place, port=443)) as door,
    ):
        door.ask("GET", f"{SECURE}/x", rules=trusting(), headers=AUTH)
        door.ask("GET", f"{SECURE}/x", rules=trusting(), headers=AUTH)
    assert set(far.names) == {NAME}
    assert b"host: gitlab.example.com\r\n" in far.requests[0]
    assert far.calls == 1


def test_a_greeting_tells_how_long_and_until_when() -> None:
    with (
        FarEnd(mute, tls=OURS.server(NAME, ends=DAY * 40)) as far,
        Door(network=towards(far.place, port=443)) as door,
    ):
        greeting = door.greet(SECURE, rules=trusting())
    assert greeting.address == ADDRESS
    assert greeting.tls_version == "TLSv1.3"
    assert greeting.tls_ms is not None
    assert greeting.valid_until is not None
    assert abs(greeting.valid_until - datetime.now(UTC) - DAY * 40) < timedelta(minutes=5)
    assert far.heard == b""


def test_an_address_can_have_a_certificate_too() -> None:
    with (
        FarEnd(always(reply({})), tls=OURS.server(ADDRESS)) as far,
        Door(network=towards(far.place, port=443)) as door,
    ):
        assert door.ask("GET", f"https://{ADDRESS}/", rules=trusting(), headers={}).status == 200


def test_an_unknown_authority_is_named() -> None:
    other = Authority("Another Authority")
    assert refused(other.server(NAME)).reason == "tls_authority"
    assert refused(self_signed(NAME)).reason == "tls_authority"
    assert refused(OURS.server(NAME), Rules()).reason == "tls_authority"


def test_the_bundle_of_another_host_helps_nobody() -> None:
    other = Authority("Another Authority")
    with (
        FarEnd(always(reply({})), tls=OURS.server(NAME)) as far,
        Door(network=towards(far.place, port=443)) as door,
    ):
        door.ask("GET", SECURE, rules=trusting(), headers={})
        with pytest.raises(Unreachable, match="tls_authority"):
            door.ask("GET", SECURE, rules=trusting(other), headers={})
        with pytest.raises(Unreachable, match="tls_authority"):
            door.ask("GET", SECURE, rules=Rules(), headers={})


def test_what_the_operator_trusts_is_trusted_besides_the_system() -> None:
    with (
        FarEnd(always(reply({})), tls=OURS.server(NAME)) as far,
        Door(network=towards(far.place, port=443), trusted=OURS.pem) as door,
    ):
        assert door.ask("GET", SECURE, rules=Rules(), headers={}).status == 200


def test_an_expired_certificate_says_when_it_ended() -> None:
    ended = datetime.now(UTC) - DAY * 3
    failure = refused(OURS.server(NAME, ends=-DAY * 3))
    assert failure.reason == "tls_expired"
    assert failure.facts == {"host": NAME, "date": f"{ended:%Y-%m-%d}"}


def test_a_certificate_for_somebody_else_says_for_whom() -> None:
    failure = refused(OURS.server("git.example.org", "*.example.net"))
    assert failure.reason == "tls_name"
    assert failure.facts == {"host": NAME, "names": "git.example.org, *.example.net"}


def test_an_expired_certificate_of_an_unknown_authority_tells_nothing_but_that() -> None:
    other = Authority("Another Authority")
    assert refused(other.server(NAME, ends=-DAY * 3)).reason == "tls_authority"


@pytest.mark.parametrize(
    ("server", "reason"),
    [
        (OURS.server(common=NAME), "tls_name"),
        (OURS.server(NAME, begins=DAY, ends=DAY * 9), "tls"),
        (OURS.server(NAME, for_clients=True), "tls"),
    ],
)
def test_a_certificate_that_only_looks_right_is_refused(
    server: ssl.SSLContext, reason: str
) -> None:
    assert refused(server).reason == reason


def test_old_protocols_are_refused() -> None:
    old = OURS.server(NAME)
    with pytest.warns(DeprecationWarning, match="TLSv1"):
        old.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.warns(DeprecationWarning, match="TLSv1"):
        old.minimum_version = ssl.TLSVersion.TLSv1
    old.set_ciphers("ALL:@SECLEVEL=0")
    assert refused(old).reason == "tls"


def test_a_server_that_wants_our_certificate_hears_no_request() -> None:
    asking = OURS.server(NAME)
    asking.verify_mode = ssl.CERT_REQUIRED
    assert refused(asking).reason in ("tls", "reset")


def test_a_bundle_without_a_certificate_trusts_nobody() -> None:
    assert refused(OURS.server(NAME), Rules(ca_bundle="not a certificate")).reason == (
        "tls_authority"
    )


def test_plain_speech_at_a_tls_port_is_no_tls() -> None:
    with (
        FarEnd(lambda caller: caller.say(b"HTTP/1.1 400 Bad\r\n\r\n")) as far,
        Door(network=towards(far.place, port=443)) as door,
        pytest.raises(Unreachable, match="tls"),
    ):
        door.ask("GET", SECURE, rules=trusting(), headers=AUTH)
    assert TOKEN.encode() not in far.heard


def test_a_handshake_that_stalls_ends_with_the_deadline() -> None:
    with (
        FarEnd(mute) as far,
        Door(network=towards(far.place, port=443)) as door,
        pytest.raises(Unreachable, match="timeout"),
    ):
        door.ask("GET", SECURE, rules=trusting(), headers=AUTH, seconds=0.3)


def test_trust_is_built_once_per_setting() -> None:
    trust = Trust()
    assert trust.context(OURS.pem) is trust.context(OURS.pem)
    assert trust.context(OURS.pem) is not trust.context("")
    assert trust.context("").minimum_version is ssl.TLSVersion.TLSv1_2
    assert trust.context("").check_hostname
    assert trust.context("").verify_mode is ssl.CERT_REQUIRED


def test_a_second_look_still_verifies_everything_else() -> None:
    trust = Trust()
    for relax in ("date", "name"):
        assert trust.context(OURS.pem, relax).verify_mode is ssl.CERT_REQUIRED
    assert trust.context(OURS.pem, "date").check_hostname


# -- an outgoing proxy ---------------------------------------------------------------------------


def passing_on(seen: list[bytes], place: tuple[str, int], answer: bytes) -> Script:
    """A proxy that says `answer` and then connects to `place`."""

    def script(caller: Caller) -> None:
        seen.append(caller.request())
        caller.say(answer)
        caller.pass_on(place)

    return script


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_is_asked_for_the_judged_address_and_sees_no_token(scheme: str) -> None:
    seen: list[bytes] = []
    tls = OURS.server(NAME) if scheme == "https" else None
    port = 443 if tls else 80
    with (
        FarEnd(always(reply({"a": 1})), tls=tls) as far,
        FarEnd(passing_on(seen, far.place, b"HTTP/1.1 200 Go\r\n\r\n")) as proxy,
    ):
        network = FakeNetwork(
            {NAME: [ADDRESS], "proxy.corp.example": ["10.0.0.9"]},
            {("10.0.0.9", 3128): proxy.place},
        )
        rules = Rules(ca_bundle=OURS.pem, proxy="http://proxy.corp.example:3128")
        with Door(network=network) as door:
            answer = door.ask("GET", f"{scheme}://{NAME}/x", rules=rules, headers=AUTH)
    assert answer.object() == {"a": 1}
    where = f"{ADDRESS}:{port}".encode()
    assert seen == [b"CONNECT " + where + b" HTTP/1.1\r\nHost: " + where + b"\r\n\r\n"]
    assert network.dialled == [("10.0.0.9", 3128)]
    assert TOKEN.encode() in far.heard


@pytest.mark.parametrize(
    "answer",
    [b"HTTP/1.1 407 No\r\n\r\n", b"nonsense\r\n\r\n", b"", b"HTTP/1.1 200" + b"x" * 70_000],
)
def test_a_proxy_that_will_not_connect_gets_nothing_more(answer: bytes) -> None:
    with FarEnd(once(answer)) as proxy:
        network = FakeNetwork(
            {NAME: [ADDRESS], "proxy.corp.example": ["10.0.0.9"]},
            {("10.0.0.9", 3128): proxy.place},
        )
        rules = Rules(proxy="http://proxy.corp.example:3128")
        with Door(network=network) as door, pytest.raises(Unreachable):
            door.ask("GET", f"http://{NAME}/x", rules=rules, headers=AUTH)
    assert TOKEN.encode() not in proxy.heard


@pytest.mark.parametrize("where", [["127.0.0.1"], ["169.254.169.254"], ["100.100.100.200"]])
def test_a_proxy_lives_on_a_network_not_on_this_machine(where: Sequence[str]) -> None:
    network = FakeNetwork({NAME: [ADDRESS], "proxy.corp.example": where})
    rules = Rules(proxy="http://proxy.corp.example:3128")
    with Door(network=network) as door, pytest.raises(AddressRefused):
        door.ask("GET", f"http://{NAME}/x", rules=rules, headers={})
    assert network.dialled == []


def test_behind_a_proxy_a_private_address_is_refused_all_the_same() -> None:
    network = FakeNetwork({NAME: ["10.0.0.1"], "proxy.corp.example": ["10.0.0.9"]})
    rules = Rules(proxy="http://proxy.corp.example:3128")
    with Door(network=network) as door, pytest.raises(AddressRefused):
        door.ask("GET", f"http://{NAME}/x", rules=rules, headers={})
    assert network.dialled == []
