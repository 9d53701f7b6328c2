"""Every typed address of the corpus gets its verdict under both policies, and no socket goes wrong.

The far end is imagined: a dial that reaches the network is written down and refused there.
"""

from __future__ import annotations

import json
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest

from providers.address import Address, locate, parse
from providers.errors import AddressRefused, Unreachable
from providers.http import Door
from providers.judge import literal, public
from providers.types import Profile, Rules
from tests.providers.network import FakeNetwork

ROWS = [
    json.loads(line)
    for line in (Path(__file__).parent / "corpora" / "ssrf_hosts.jsonl").read_text().splitlines()
]

Verdict = Address | AddressRefused | Unreachable

DIFFERENT = {
    # The mapping of UTS 46 turns an ideographic full stop into a dot, so this is gitlab.com and is
    # shown as that; the row's other outcome allows exactly it.
    "ssrf-651",
    # Translation prefixes are refused for everybody, around a public address too: what a NAT64
    # makes of the rest of the prefix is nobody's promise.
    "ssrf-332",
}


def typed(row: dict[str, Any]) -> str:
    if "input_rle" in row:
        return "".join(text * times for text, times in row["input_rle"])
    return str(row["input"])


def rules_of(row: dict[str, Any], profile: Profile) -> Rules:
    opened = row.get("extended_config", {}).get("allow_cidrs", ())
    return Rules(profile=profile, private=tuple(opened) if profile is Profile.EXTENDED else ())


def judged(row: dict[str, Any], rules: Rules, door: Door) -> Verdict:
    """The verdict of the address, of its name, and of every dial that follows."""

    def ask(base: str) -> bool:
        with pytest.raises(Unreachable) as failure:
            door.greet(base, rules=rules)
        if failure.value.reason == "dns":
            raise failure.value
        at = row.get("api_at")
        return at is None or base.partition("://")[2].partition("/")[2] == at.strip("/")

    try:
        return locate(parse(typed(row), rules=rules), ask)
    except (AddressRefused, Unreachable) as refusal:
        return refusal


def code_of(verdict: Verdict) -> str:
    if isinstance(verdict, Address):
        return "ok"
    return "unresolvable" if verdict.reason == "dns" else verdict.reason


def right(row: dict[str, Any], profile: str, verdict: Verdict) -> bool:
    want: dict[str, Any] = row[profile]
    if want["expected"] == "accept":
        return (
            isinstance(verdict, Address)
            and verdict.base_url == want["base"]
            and verdict.notice == want.get("info", "").removeprefix("GL-")
        )
    codes = {want["code"], *row.get("alt", {}).get("code", ())}
    return not isinstance(verdict, Address) and code_of(verdict) in codes


def allowed(address: str, rules: Rules) -> bool:
    ip = literal(address)
    assert ip is not None
    return public(ip) or any(ip in ip_network(opened) for opened in rules.private)


@pytest.mark.parametrize("profile", list(Profile))
@pytest.mark.parametrize("row", ROWS, ids=[row["id"] for row in ROWS])
def test_an_address_gets_its_verdict(row: dict[str, Any], profile: Profile) -> None:
    network = FakeNetwork(row.get("dns", {}))
    rules = rules_of(row, profile)
    with Door(network=network) as door:
        verdict = judged(row, rules, door)

    assert right(row, profile, verdict) is (row["id"] not in DIFFERENT), (verdict, row[profile])
    assert all(allowed(address, rules) for address, _ in network.dialled)
    if not isinstance(verdict, Address):
        assert network.dialled == []


def test_only_rows_that_may_differ_do() -> None:
    assert {row["level"] for row in ROWS if row["id"] in DIFFERENT} == {"should"}
    assert len(ROWS) == 370
