"""Which addresses may be dialled: our own list, asked for literals and for every resolved answer.

The list is ours because `ipaddress.is_global` passes translation, tunnel and documentation ranges
that lead elsewhere. Sources: the IANA special-purpose address registries for IPv4 and IPv6, and
the clouds' documented metadata and platform addresses.
"""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from typing import Protocol

from providers.errors import AddressRefused, Unreachable
from providers.types import Rules

Ip = IPv4Address | IPv6Address
Net = IPv4Network | IPv6Network

MAX_ANSWERS = 8
"""More addresses of one name than this are judged, but not tried."""


def _nets(text: str) -> tuple[Net, ...]:
    return tuple(ip_network(word) for word in text.split())


# https://www.iana.org/assignments/iana-ipv4-special-registry and iana-ipv6-special-registry
DENIED = _nets(
    "0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 168.63.129.16/32 169.254.0.0/16 172.16.0.0/12 "
    "192.0.0.0/24 192.0.2.0/24 192.31.196.0/24 192.52.193.0/24 192.88.99.0/24 192.168.0.0/16 "
    "192.175.48.0/24 198.18.0.0/15 198.51.100.0/24 203.0.113.0/24 224.0.0.0/4 240.0.0.0/4 "
    "2001::/23 2001:db8::/32 2002::/16 2620:4f:8000::/48 3fff::/20"
)
UNICAST6 = ip_network("2000::/3")
"""All of IPv6 that is given out; everything outside is refused."""

OPENABLE = _nets("10.0.0.0/8 172.16.0.0/12 192.168.0.0/16 100.64.0.0/10 fc00::/7")
"""The only ranges an operator can open."""

LOOPBACK = _nets("127.0.0.0/8 ::1/128")
"""What may be opened in addition for a builder, outside production."""

# Metadata and platform services of the clouds: closed even inside an opened range.
METADATA = _nets(
    "100.100.100.200/32 100.96.0.96/32 168.63.129.16/32 fd00:ec2::/32 fd20:ce::254/128 "
    "fd00:42::42/128 fd00:a9fe:a9fe::/48"
)


class Resolver(Protocol):
    """What turns a name into addresses; `providers.dial.Network` outside tests."""

    def resolve(self, name: str, port: int, seconds: float) -> Sequence[str]: ...


def literal(host: str) -> Ip | None:
    """The address a host name spells, or None for a name. Zone ids are no addresses."""
    try:
        return None if "%" in host else ip_address(host)
    except ValueError:
        return None


def judge(address: str, rules: Rules, *, host: str, port: int) -> Ip:
    """The address object to dial for `host`. Raises AddressRefused("address_not_public").

    A mapped IPv4 answer is judged, and dialled, as the IPv4 it carries.
    """
    ip = literal(address)
    if isinstance(ip, IPv6Address) and ip.ipv4_mapped is not None:
        ip = ip.ipv4_mapped
    if ip is None or not _permitted(ip, rules, host, port):
        raise AddressRefused("address_not_public", host=host)
    return ip


def resolve(network: Resolver, host: str, port: int, rules: Rules, seconds: float) -> list[str]:
    """Addresses of `host` to try in order; one bad answer condemns the name.

    Raises AddressRefused, and Unreachable("dns") when there is no answer within `seconds`.
    """
    answers = [host] if literal(host) else network.resolve(host, port, seconds)
    if not answers:
        raise Unreachable("dns", host=host)
    judged = [str(judge(answer, rules, host=host, port=port)) for answer in answers]
    return list(dict.fromkeys(judged))[:MAX_ANSWERS]


def _permitted(ip: Ip, rules: Rules, host: str, port: int) -> bool:
    if ip.is_loopback:
        return rules.sandbox == (host, port) or _opened(ip, rules.loopback, LOOPBACK)
    if _within(ip, METADATA):
        return False
    return public(ip) or _opened(ip, rules.private, OPENABLE)


def public(ip: Ip) -> bool:
    """Whether an address is reachable for everybody and belongs to nobody special."""
    return not _within(ip, DENIED) and (isinstance(ip, IPv4Address) or ip in UNICAST6)


def _opened(ip: Ip, ranges: tuple[str, ...], openable: tuple[Net, ...]) -> bool:
    """Whether it lies in one of `ranges` that itself lies in one that can be opened: 0.0.0.0/0
    opens nothing."""
    if not ranges or not _within(ip, openable):
        return False
    nets = (ip_network(text, strict=False) for text in ranges)
    return _within(ip, tuple(net for net in nets if any(_inside(net, one) for one in openable)))


def _inside(net: Net, outer: Net) -> bool:
    if isinstance(net, IPv4Network):
        return isinstance(outer, IPv4Network) and net.subnet_of(outer)
    return isinstance(outer, IPv6Network) and net.subnet_of(outer)


def _within(ip: Ip, nets: tuple[Net, ...]) -> bool:
    return any(ip.version == net.version and ip in net for net in nets)
