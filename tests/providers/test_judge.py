"""The judge: every range of the list at both ends, what can be opened, and what nobody opens."""

from __future__ import annotations

from ipaddress import ip_network

import pytest

from providers.errors import AddressRefused, Unreachable
from providers.judge import DENIED, METADATA, OPENABLE, judge, public, resolve
from providers.types import Profile, Rules
from tests.providers.network import FakeNetwork

EVERYTHING = ("0.0.0.0/0", "::/0", "fc00::/6")


def verdict(address: str, rules: Rules | None = None) -> bool:
    try:
        judge(address, rules or Rules(), host="git.example.com", port=443)
    except AddressRefused:
        return False
    return True


def test_a_refusal_names_the_host_and_not_the_address() -> None:
    with pytest.raises(AddressRefused, match="address_not_public") as failure:
        judge("10.0.0.1", Rules(), host="git.example.com", port=443)
    assert failure.value.facts == {"host": "git.example.com"}


@pytest.mark.parametrize("net", DENIED, ids=str)
def test_a_denied_range_is_denied_from_end_to_end(net: str) -> None:
    first, last = ip_network(net)[0], ip_network(net)[-1]
    assert not verdict(str(first))
    assert not verdict(str(last))


@pytest.mark.parametrize(
    "address",
    [
        "1.1.1.1",
        "8.8.8.8",
        "9.255.255.255",
        "11.0.0.0",
        "100.63.255.255",
        "100.128.0.0",
        "126.255.255.255",
        "128.0.0.0",
        "169.253.255.255",
        "169.255.0.0",
        "172.15.255.255",
        "172.32.0.0",
        "192.0.1.0",
        "192.167.255.255",
        "192.169.0.0",
        "198.17.255.255",
        "198.20.0.0",
        "223.255.255.255",
        "2001:200::1",
        "2400:3200::1",
        "2606:4700:4700::1111",
        "3ffe::1",
    ],
)
def test_neighbours_of_the_list_are_public(address: str) -> None:
    assert verdict(address)


@pytest.mark.parametrize(
    "address",
    [
        "::",
        "::1",
        "::2",
        "::127.0.0.1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "::ffff:0:127.0.0.1",
        "64:ff9b::8.8.8.8",
        "64:ff9b:1::1",
        "100::1",
        "2001::1",
        "2001:db8::1",
        "2002:7f00:1::",
        "3fff::1",
        "4000::1",
        "5f00::1",
        "fc00::1",
        "fe80::1",
        "fe80::1%eth0",
        "fec0::1",
        "ff02::1",
    ],
)
def test_of_ipv6_only_what_is_given_out_is_public(address: str) -> None:
    assert not verdict(address)


@pytest.mark.parametrize("word", ["", "localhost", "127.1", "0x7f.1", "1.2.3.4.5", "1.2.3.4/32"])
def test_what_is_no_address_is_refused(word: str) -> None:
    assert not verdict(word)


def test_a_mapped_answer_is_judged_and_dialled_as_what_it_carries() -> None:
    ip = judge("::ffff:93.184.216.34", Rules(), host="x", port=1)
    assert str(ip) == "93.184.216.34"


@pytest.mark.parametrize("net", OPENABLE, ids=str)
def test_an_operator_can_open_a_private_range(net: str) -> None:
    address = str(ip_network(net)[77])
    assert not verdict(address)
    assert verdict(address, Rules(private=(str(net),)))
    assert verdict(address, Rules(profile=Profile.SEED, private=(f"{address}",)))
    assert not verdict(address, Rules(private=("192.168.77.0/24", "fc99::/16", "172.31.0.0/30")))


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "::1",
        "0.0.0.0",
        "169.254.169.254",
        "fe80::1",
        "224.0.0.1",
        "255.255.255.255",
        "ff02::1",
        "64:ff9b::10.0.0.1",
        "2002:a00:1::",
        "198.18.0.1",
        "10.0.0.1",
    ],
)
def test_nobody_opens_more_than_can_be_opened(address: str) -> None:
    assert not verdict(address, Rules(private=EVERYTHING))


@pytest.mark.parametrize("net", METADATA, ids=str)
def test_metadata_stays_closed_inside_an_opened_range(net: str) -> None:
    opened = Rules(private=tuple(map(str, OPENABLE)))
    assert not verdict(str(ip_network(net)[0]), opened)
    assert not verdict(str(ip_network(net)[-1]), opened)


def test_a_range_may_be_written_with_an_address_inside() -> None:
    assert verdict("10.8.200.1", Rules(private=("10.8.1.2/16",)))


def test_public_is_what_needs_no_opening() -> None:
    for address, is_public in (("8.8.8.8", True), ("10.0.0.1", False), ("2001:db8::1", False)):
        assert public(ip_network(address)[0]) is is_public


def test_a_name_is_as_good_as_its_worst_address() -> None:
    network = FakeNetwork({"a.example.com": ["8.8.8.8", "1.1.1.1"], "b.example.com": ["8.8.8.8"]})
    network.names["c.example.com"] = [*(f"8.8.8.{n}" for n in range(9)), "10.0.0.1"]
    assert resolve(network, "a.example.com", 443, Rules(), 5.0) == ["8.8.8.8", "1.1.1.1"]
    with pytest.raises(AddressRefused):
        resolve(network, "c.example.com", 443, Rules(), 5.0)
    with pytest.raises(Unreachable, match="dns"):
        resolve(network, "d.example.com", 443, Rules(), 5.0)


def test_no_answer_is_no_permission() -> None:
    class Silent:
        def resolve(self, name: str, port: int, seconds: float) -> list[str]:
            return []

    with pytest.raises(Unreachable, match="dns"):
        resolve(Silent(), "a.example.com", 443, Rules(), 5.0)


def test_an_address_needs_no_resolver() -> None:
    network = FakeNetwork()
    assert resolve(network, "8.8.8.8", 443, Rules(), 5.0) == ["8.8.8.8"]
    assert resolve(network, "2606:4700::1", 443, Rules(), 5.0) == ["2606:4700::1"]
    assert network.asked == []
