"""Read an address once, by one strict grammar of our own; what is refused, and why.

No second parser ever sees the typed text: what leaves here is an object and its canonical form.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass, replace
from ipaddress import IPv6Address
from itertools import pairwise
from typing import NamedTuple, Never
from urllib.parse import unquote

import idna
import idna.uts46data  # loaded with us: the first name that is not ASCII would wait for it

from providers.errors import AddressRefused, BadAnswer
from providers.judge import judge, literal, public
from providers.types import Profile, Rules

DEFAULT_PORTS = {"http": 80, "https": 443}

# The ports of `ux/spec.md` 6.2; 1024 is out.
_HTTP_PORTS = frozenset({80, 21, 443, 70, 210, 280, 488, 591, 777, *range(1025, 65536)})
_HTTPS_PORTS = {Profile.SEED: frozenset({443}), Profile.EXTENDED: _HTTP_PORTS}

# Our own addresses and links that hosts return: nothing but what RFC 3986 allows, no userinfo.
_URL = re.compile(
    r"(https?)://"
    r"([a-z0-9.-]{1,253}|\[[0-9a-f:.]{2,45}\])(?::([0-9]{1,5}))?"
    r"((?:/[A-Za-z0-9._~!$&'()*+,;=:@%/-]*)?(?:\?[A-Za-z0-9._~!$&'()*+,;=:@%/?\[\]-]*)?)",
)


class Origin(NamedTuple):
    """Where a request goes: what a token is bound to. `host` has no brackets."""

    scheme: str
    host: str
    port: int

    @property
    def authority(self) -> str:
        """host[:port], as a Host header wants it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"

    def __str__(self) -> str:
        return f"{self.scheme}://{self.authority}"


def split(url: str) -> tuple[Origin, str]:
    """The origin of one of our own addresses, and the path with its query ("/" at least).

    Raises AddressRefused: userinfo, fragments, control characters and other schemes do not parse.
    """
    match = _URL.fullmatch(url)
    if match is None:
        raise AddressRefused("host_invalid")
    scheme, host, port, target = match.groups()
    number = int(port) if port else DEFAULT_PORTS[scheme]
    target = target if target.startswith("/") else "/" + target
    return Origin(scheme, host.strip("[]"), number), target


def require_port(origin: Origin, rules: Rules) -> None:
    """Raise AddressRefused("port_not_allowed") unless the profile allows the port."""
    allowed = _HTTP_PORTS if origin.scheme == "http" else _HTTPS_PORTS[rules.profile]
    if origin.port not in allowed and rules.sandbox != (origin.host, origin.port):
        raise AddressRefused("port_not_allowed", scheme=origin.scheme, port=str(origin.port))


MAX_LENGTH = 2048
MAX_ASKS = 6
_WHITE = " \t\r\n\f\v\u00a0\u3000"
_FORBIDDEN = frozenset({"Cc", "Cf", "Co", "Cn", "Cs", "Zs", "Zl", "Zp"})
_TYPED = re.compile(r"(https?)://([^/?#]*)([^?#]*)(.*)", re.IGNORECASE | re.DOTALL)
_OTHER_SCHEME = re.compile(r"[^/:]+://|[a-z][a-z0-9+-]*:(?![0-9])", re.IGNORECASE)
_QUAD = re.compile(r"(?:0|[1-9][0-9]{0,2})(?:\.(?:0|[1-9][0-9]{0,2})){3}")
_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_NUMERIC = re.compile(r"[0-9]+|0x[0-9a-f]*")
_CONTROL = re.compile(r"%(?:[01][0-9a-f]|7f)", re.IGNORECASE)
# Dots, slashes, backslashes and percent signs have no business being encoded in a link.
_SEGMENT = re.compile(r"(?:[A-Za-z0-9._~!$&()*+,=:@-]|%(?!2[ef5]|5c)[0-9a-f]{2})+", re.IGNORECASE)
_ROOT = re.compile(r"[A-Za-z0-9._~-]+")
# Where a server's own pages and API begin: everything from here on is no part of its address.
_SIGN_IN = (("users", "sign_in"), ("user", "login"))
_API = (("api", "v4"), ("api", "v1"))
# Names that never leave a machine (RFC 6761, RFC 7686), and those that never leave a network.
_NOWHERE = ("localhost", "onion")
_INDOORS = (
    *("local", "localdomain", "internal", "intranet", "private", "home", "home.arpa", "lan"),
    *("corp", "alt", "i2p", "test", "invalid", "example"),
)


@dataclass(frozen=True, slots=True)
class Address:
    """A typed address, taken apart. `path`: "" or "/gitlab"; `project`: "" or "/group/project",
    what a link named below the server's own path, known once `locate` has found that.

    `notice` is the catalogue code without prefix that people are shown ("ADDR-02"), or "".
    """

    origin: Origin
    path: str = ""
    project: str = ""
    notice: str = ""
    trailing: bool = False  # a query or fragment came along, not yet known to belong to a link

    @property
    def host(self) -> str:
        return self.origin.host

    @property
    def base_url(self) -> str:
        """Canonical: lower case, A-labels, no default port, no slash at the end."""
        return f"{self.origin}{self.path}"


def parse(text: str, *, rules: Rules) -> Address:
    """The address that a person typed. `locate` finds which part of its path is the server.

    Raises AddressRefused; its reasons are the codes of `tests/providers/corpora`. A refusal
    repeats nothing of the text but a port number: a token may have been pasted into it.
    """
    return _with_path(*_apart(text, rules))


def whole(text: str, *, rules: Rules) -> str:
    """A typed address of which every part is meant, path and query as they are: a builder's.

    Raises AddressRefused, like `parse`.
    """
    origin, path, rest = _apart(text, rules)
    if "#" in rest:
        _refuse("query_or_fragment")
    _segments(path, rest)
    url = f"{origin}{path or '/'}{rest}"
    split(url)
    return url


def _apart(text: str, rules: Rules) -> tuple[Origin, str, str]:
    """Origin, path, and what follows it."""
    text = text.strip(_WHITE)
    if not text:
        _refuse("required")
    if len(text) > MAX_LENGTH:
        _refuse("too_long")
    if "\\" in text or any(unicodedata.category(char) in _FORBIDDEN for char in text):
        _refuse("invalid_characters")
    match = _TYPED.fullmatch(text)
    if match is None:
        _refuse(_without_scheme(text))
    scheme, authority, path, rest = match.groups()
    return _origin(scheme.lower(), authority, rules), path, rest


def locate(address: Address, ask: Callable[[str], bool]) -> Address:
    """Find the server: `ask(base_url)` tells whether the platform answers there.

    The longest of the six shortest prefixes is asked first; what is left over was a link to
    something on the server. Raises BadAnswer("not_the_platform"), AddressRefused, and what `ask`
    raises.
    """
    typed = address.path.split("/")[1:]
    roots = next((n for n, part in enumerate(typed) if not _ROOT.fullmatch(part)), len(typed))
    elsewhere: BadAnswer | None = None
    for length in range(min(roots, MAX_ASKS - 1), -1, -1):
        base = replace(address, path="".join(f"/{part}" for part in typed[:length]))
        try:
            if ask(base.base_url):
                return _cut(base, "".join(f"/{part}" for part in typed[length:]))
        except BadAnswer as strange:
            # Below a private project GitLab sends strangers to its sign-in page.
            if strange.reason != "redirect":
                raise
            elsewhere = elsewhere or strange
    raise elsewhere or BadAnswer("not_the_platform", host=address.host)


def _cut(base: Address, project: str) -> Address:
    if not project:
        if base.trailing:
            _refuse("query_or_fragment")
        return base
    project = project.removesuffix(".git")
    return replace(base, project=project, notice="ADDR-02", trailing=False)


def _refuse(reason: str, **facts: str) -> Never:
    raise AddressRefused(reason, **facts)


def _without_scheme(text: str) -> str:
    if re.match(r"https?:", text, re.IGNORECASE):
        return "host_invalid"
    return "scheme_not_allowed" if _OTHER_SCHEME.match(text) else "scheme_missing"


def _origin(scheme: str, authority: str, rules: Rules) -> Origin:
    if "@" in authority:
        _refuse("userinfo_not_allowed")
    host, port = _host_and_port(authority)
    if port is None:
        number = DEFAULT_PORTS[scheme]
    elif port.isascii() and port.isdigit() and len(port) <= 5:
        number = int(port)
    else:
        _refuse("port_not_allowed")
    origin = Origin(scheme, _host(host), number)
    require_port(origin, rules)
    if literal(origin.host):
        judge(origin.host, rules, host=origin.host, port=number)
    elif rules.sandbox != (origin.host, number):
        _require_public_name(origin.host, rules.profile)
    return origin


def _host_and_port(authority: str) -> tuple[str, str | None]:
    bracket = authority.rfind("]") + 1
    host, _, port = authority[bracket:].partition(":")
    if ":" in port:
        _refuse("host_invalid")
    return authority[:bracket] + host, port or None


def _host(text: str) -> str:
    """The canonical host: a strict dotted quad, an IPv6 address, or checked A-labels."""
    if text.startswith("["):
        return _ipv6(text)
    if _QUAD.fullmatch(text):
        if literal(text) is None:
            _refuse("host_invalid")
        return text
    name = _name(text.removesuffix("."))
    labels = name.split(".")
    if len(name) > 253 or _NUMERIC.fullmatch(labels[-1]) or not all(map(_LABEL.fullmatch, labels)):
        _refuse("host_invalid")
    return name


def _ipv6(text: str) -> str:
    ip = literal(text[1:-1]) if re.fullmatch(r"\[[0-9A-Fa-f:.]+\]", text) else None
    if not isinstance(ip, IPv6Address):
        _refuse("host_invalid")
    if ip.ipv4_mapped is not None:
        _refuse("host_invalid" if public(ip.ipv4_mapped) else "address_not_public")
    return str(ip)


def _name(text: str) -> str:
    """Lower case A-labels by IDNA 2008 with the mapping of UTS 46, non-transitional."""
    if any(len(_scripts(label)) > 1 for label in text.split(".")):
        _refuse("host_invalid")
    try:
        if not text.isascii():
            text = idna.encode(text, uts46=True, std3_rules=True).decode("ascii")
        text = text.lower()
        for label in text.split("."):
            if label.startswith("xn--"):
                idna.ulabel(label)
    except (idna.IDNAError, UnicodeError):
        _refuse("host_invalid")
    return text


def _scripts(label: str) -> set[str]:
    """Which of the three look-alike scripts a label mixes: аpple is not apple (UTS 39)."""
    words = {unicodedata.name(char, "").split(" ")[0] for char in label if char.isalpha()}
    return words & {"LATIN", "CYRILLIC", "GREEK"}


def _require_public_name(name: str, profile: Profile) -> None:
    closed = _NOWHERE if profile is Profile.EXTENDED else _NOWHERE + _INDOORS
    if "." not in name or any(name.endswith(f".{suffix}") for suffix in closed):
        _refuse("address_not_public")


def _with_path(origin: Origin, path: str, rest: str) -> Address:
    parts = _segments(path, rest)
    kept, own = _server_part(parts)
    if rest and not parts:
        _refuse("query_or_fragment")
    whole = len(kept) == len(parts)
    return Address(
        origin,
        "".join(f"/{part}" for part in kept),
        notice="" if own or whole else "ADDR-02",
        trailing=bool(rest) and whole,
    )


def _segments(path: str, rest: str) -> list[str]:
    """The parts of a path, each of which may stand in one."""
    if _CONTROL.search(path + rest):
        _refuse("invalid_characters")
    parts = path.strip("/").split("/") if path.strip("/") else []
    if "//" in path or not all(map(_segment, parts)):
        _refuse("path_invalid")
    return parts


def _segment(part: str) -> bool:
    if part in (".", "..") or not _SEGMENT.fullmatch(part):
        return False
    try:
        return bool(unquote(part, errors="strict"))
    except UnicodeDecodeError:  # overlong forms of dots and slashes
        return False


def _server_part(parts: list[str]) -> tuple[list[str], bool]:
    """What may be the server's path, and whether the rest was its own sign-in page or API."""
    for n, pair in enumerate(pairwise(parts)):
        if pair in _SIGN_IN or pair in _API:
            return parts[:n], True
    return (parts[: parts.index("-")] if "-" in parts else parts), False
