"""Typed addresses beyond the corpus: what a link keeps, who is asked, and what is not echoed."""

from __future__ import annotations

import pytest

from providers.address import Address, Origin, locate, parse, require_port, split
from providers.errors import AddressRefused, BadAnswer, Unreachable
from providers.types import Profile, Rules

TOKEN = "glpat-test-0123456789abcdef"


def found(text: str, root: str = "") -> Address:
    return locate(parse(text, rules=Rules()), lambda base: base == f"https://git.example.com{root}")


def refused(text: str, profile: Profile = Profile.EXTENDED) -> AddressRefused:
    with pytest.raises(AddressRefused) as failure:
        parse(text, rules=Rules(profile=profile))
    return failure.value


@pytest.mark.parametrize(
    ("text", "root", "base", "project", "notice"),
    [
        ("https://git.example.com", "", "", "", ""),
        ("https://GIT.example.com:443/", "", "", "", ""),
        ("https://git.example.com/gitlab/", "/gitlab", "/gitlab", "", ""),
        ("https://git.example.com/acme/api", "", "", "/acme/api", "ADDR-02"),
        ("https://git.example.com/acme/api.git", "", "", "/acme/api", "ADDR-02"),
        ("https://git.example.com/g/acme/api?x=1#y", "/g", "/g", "/acme/api", "ADDR-02"),
        ("https://git.example.com/acme/api/-/tree/a%20b", "", "", "/acme/api", "ADDR-02"),
        ("https://git.example.com/-/profile?tab=1", "", "", "", "ADDR-02"),
        ("https://git.example.com/users/sign_in?next=%2F", "", "", "", ""),
        ("https://git.example.com/g/user/login", "/g", "/g", "", ""),
        ("https://git.example.com/g/api/v4/projects?x=1", "/g", "/g", "", ""),
        ("https://git.example.com/api/v1", "", "", "", ""),
        ("https://git.example.com/acme/api/blob/main/%E4%BD%A0.md", "", "", None, "ADDR-02"),
    ],
)
def test_a_link_is_cut_to_its_server(
    text: str, root: str, base: str, project: str | None, notice: str
) -> None:
    address = found(text, root)
    assert address.base_url == f"https://git.example.com{base}"
    assert address.notice == notice
    assert project is None or address.project == project


def test_the_longest_prefix_is_asked_first_and_never_more_than_six() -> None:
    asked: list[str] = []

    def ask(base: str) -> bool:
        asked.append(base.removeprefix("https://git.example.com"))
        return False

    with pytest.raises(BadAnswer, match="not_the_platform"):
        locate(parse("https://git.example.com/a/b/c/d/e/f/g/h", rules=Rules()), ask)
    assert asked == ["/a/b/c/d/e", "/a/b/c/d", "/a/b/c", "/a/b", "/a", ""]


def test_a_part_that_no_server_has_is_not_asked_for() -> None:
    asked: list[str] = []

    def ask(base: str) -> bool:
        asked.append(base.removeprefix("https://git.example.com"))
        return base == "https://git.example.com"

    locate(parse("https://git.example.com/a/b%20c/d", rules=Rules()), ask)
    assert asked == ["/a", ""]


def test_a_query_needs_a_link_to_belong_to() -> None:
    address = parse("https://git.example.com/gitlab?x=1", rules=Rules())
    assert locate(address, lambda base: base == "https://git.example.com").project == "/gitlab"
    with pytest.raises(AddressRefused, match="query_or_fragment"):
        locate(address, lambda base: True)


def test_a_redirect_below_a_project_does_not_end_the_search() -> None:
    def ask(base: str) -> bool:
        if base != "https://git.example.com":
            raise BadAnswer("redirect", location="/users/sign_in")
        return True

    address = parse("https://git.example.com/acme/api", rules=Rules())
    assert locate(address, ask).base_url == "https://git.example.com"


def test_a_redirect_everywhere_is_what_is_told() -> None:
    def ask(base: str) -> bool:
        if base.endswith("/acme"):
            raise BadAnswer("redirect", location="/first")
        return False

    with pytest.raises(BadAnswer, match="redirect"):
        locate(parse("https://git.example.com/acme", rules=Rules()), ask)


@pytest.mark.parametrize("failure", [Unreachable("timeout"), BadAnswer("encoded")])
def test_any_other_failure_ends_the_search(failure: Exception) -> None:
    asked: list[str] = []

    def ask(base: str) -> bool:
        asked.append(base)
        raise failure

    with pytest.raises(type(failure)):
        locate(parse("https://git.example.com/acme/api", rules=Rules()), ask)
    assert len(asked) == 1


@pytest.mark.parametrize(
    "text",
    [
        f"https://oauth2:{TOKEN}@git.example.com",
        f"https://{TOKEN}",
        f"https://{TOKEN}.local",
        f"https://git.example.com:{TOKEN}",
        f"https://git.example.com?private_token={TOKEN}",
        f"https://git.example.com/{TOKEN}//",
        f"{TOKEN}",
        f"{TOKEN}://git.example.com",
    ],
)
def test_a_pasted_token_is_not_repeated(text: str) -> None:
    refusal = refused(text, Profile.SEED)
    assert TOKEN not in repr(refusal) + repr(refusal.facts) + repr(refusal.__context__)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("https://git.example.com:8O80", "port_not_allowed"),
        ("https://git.example.com:123456", "port_not_allowed"),
        ("https://git.example.com:1024", "port_not_allowed"),
        ("https://[2606:4700::1", "host_invalid"),
        ("https://[2606:4700::1]x", "host_invalid"),
        ("https://[]", "host_invalid"),
        ("https://git.example.123", "host_invalid"),
        ("https://git.example.0x1f", "host_invalid"),
        ("https://xn--zzzzzzzzzz99999.example.com", "host_invalid"),
        ("https://аpple.example.com", "host_invalid"),  # a Cyrillic a
        ("https://git.onion", "address_not_public"),
        ("https://box.localhost", "address_not_public"),
        ("https://git.example.com/a/%2e%2e/b", "path_invalid"),
        ("https://git.example.com/a/%5c/b", "path_invalid"),
        ("https://git.example.com/a/%zz/b", "path_invalid"),
        ("https://git.example.com/a/%/b", "path_invalid"),
        ("https://git.example.com/..;/admin", "path_invalid"),
        ("https://git.example.com/%c0%ae%c0%ae/admin", "path_invalid"),
        ("https://git.example.com/a%0Db", "invalid_characters"),
    ],
)
def test_what_is_wrong_is_named(text: str, reason: str) -> None:
    assert refused(text).reason == reason


@pytest.mark.parametrize("suffix", ["local", "internal", "home.arpa", "lan", "corp", "test"])
def test_names_of_a_network_are_for_extended_alone(suffix: str) -> None:
    text = f"https://git.{suffix}"
    assert refused(text, Profile.SEED).reason == "address_not_public"
    assert parse(text, rules=Rules()).base_url == text


def test_the_sandbox_can_be_typed_and_nothing_beside_it() -> None:
    rules = Rules(sandbox=("127.0.0.1", 9990))
    assert parse("http://127.0.0.1:9990/gitlab", rules=rules).path == "/gitlab"
    assert parse("http://localhost:9990", rules=Rules(sandbox=("localhost", 9990))).host
    for other in ("http://127.0.0.1:9991", "http://127.0.0.2:9990", "http://localhost:9990"):
        with pytest.raises(AddressRefused, match="address_not_public"):
            parse(other, rules=rules)


def test_the_sandbox_may_use_a_port_that_is_not_allowed() -> None:
    rules = Rules(profile=Profile.SEED, sandbox=("127.0.0.1", 8443))
    assert parse("https://127.0.0.1:8443", rules=rules).base_url == "https://127.0.0.1:8443"


@pytest.mark.parametrize(
    ("url", "origin", "target"),
    [
        ("https://git.example.com", Origin("https", "git.example.com", 443), "/"),
        ("http://git.example.com:8080?x=1", Origin("http", "git.example.com", 8080), "/?x=1"),
        ("https://[2606:4700::1]:8443/a/b", Origin("https", "2606:4700::1", 8443), "/a/b"),
    ],
)
def test_our_own_addresses_are_split_once(url: str, origin: Origin, target: str) -> None:
    assert split(url) == (origin, target)
    assert url.startswith(str(origin))


@pytest.mark.parametrize(
    ("profile", "scheme", "port", "allowed"),
    [
        (Profile.SEED, "https", 443, True),
        (Profile.SEED, "https", 8443, False),
        (Profile.SEED, "http", 8443, True),
        (Profile.EXTENDED, "https", 8443, True),
        (Profile.EXTENDED, "https", 1024, False),
        (Profile.EXTENDED, "http", 22, False),
        (Profile.EXTENDED, "http", 65535, True),
        (Profile.EXTENDED, "http", 0, False),
        (Profile.EXTENDED, "http", 65536, False),
    ],
)
def test_the_ports_of_both_profiles(
    profile: Profile, scheme: str, port: int, allowed: bool
) -> None:
    origin = Origin(scheme, "git.example.com", port)
    if allowed:
        require_port(origin, Rules(profile=profile))
        return
    with pytest.raises(AddressRefused) as failure:
        require_port(origin, Rules(profile=profile))
    assert failure.value.facts == {"scheme": scheme, "port": str(port)}
