"""What every provider promises about an account and its token.

A promise is a function of a `Stage`; `test_contract.py` asks every one of every provider. The
numbers are those of `providers.md` 15. Not here, because no adapter keeps them: 9, 25 and 26
(custody and leases), 22 and 23 (receiving).
"""

from __future__ import annotations

import socket
import traceback
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from providers.base import Provider
from providers.catalogue import REGISTRY
from providers.errors import (
    BadAnswer,
    MissingScope,
    NotSupported,
    ProviderError,
    RateLimited,
    TokenRejected,
    Unreachable,
)
from providers.types import Can, Host, Quality, Rules
from tests.providers.stage import Stage, all_repositories

SKEW = 600.0

OVERRIDES = {
    Can.ROTATE: ("rotate",),
    Can.REVOKE: ("revoke",),
    Can.MINT: ("mint", "unmint"),
    Can.HOOKS: (
        "hooks",
        "add_hook",
        "repair_hook",
        "remove_hook",
        "verify",
        "read",
    ),
    Can.TEST_HOOK: ("test_hook",),
}


@dataclass(frozen=True)
class Promise:
    """One sentence that holds for every provider, with one case of it."""

    number: str
    name: str
    keep: Callable[..., None]
    case: tuple[Any, ...] = ()
    needs: Can | None = None


PROMISES: list[Promise] = []


def promise(
    number: str, *cases: Any, needs: Can | None = None
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Register a promise, once for each of `cases`; a tuple is spread over its arguments.

    `needs`: what a provider has to declare to be asked; the others refuse it, see below.
    """

    def remember(keep: Callable[..., None]) -> Callable[..., None]:
        for case in cases or ((),):
            spread = case if isinstance(case, tuple) else (case,)
            name = "-".join([number, keep.__name__, *map(str, spread[:1])])
            PROMISES.append(Promise(number, name, keep, spread, needs))
        return keep

    return remember


# -- declared is present -------------------------------------------------------------------------


@promise("0", *OVERRIDES)
def a_capability_is_declared_exactly_when_its_methods_are_there(stage: Stage, can: Can) -> None:
    there = [_overridden(stage.provider, name) for name in OVERRIDES[can]]
    assert there == [can in stage.provider.spec.capabilities] * len(there)


@promise("0")
def what_is_not_declared_is_refused_as_not_supported(stage: Stage) -> None:
    account, cast = stage.account(), stage.cast
    calls: dict[Can, Callable[[], object]] = {
        Can.ROTATE: lambda: account.rotate(date(2027, 1, 1)),
        Can.REVOKE: account.revoke,
        Can.MINT: lambda: (account.mint(cast.rich, 15), account.unmint("1")),
        Can.HOOKS: lambda: account.hooks(cast.rich),
        Can.TEST_HOOK: lambda: account.test_hook(cast.rich, "1"),
    }
    for can in calls.keys() - stage.provider.spec.capabilities:
        with pytest.raises(NotSupported) as caught:
            calls[can]()
        assert caught.value.reason == can


@promise("0")
def the_spec_is_whole(stage: Stage) -> None:
    spec = stage.provider.spec
    assert (Can.REFRESH in spec.capabilities) <= (spec.oauth is not None)
    assert ("base_url" in spec.asks) == (Can.TYPED_ADDRESS in spec.capabilities)
    assert set(spec.requires) <= set(spec.asks)
    assert all(spec.scopes[purpose] for purpose in spec.scopes)
    assert spec.slug == stage.slug


def _overridden(provider: type[Provider], name: str) -> bool:
    own = getattr(provider, name)
    return getattr(own, "__func__", own) is not getattr(
        getattr(Provider, name), "__func__", getattr(Provider, name)
    )


# -- recognised ------------------------------------------------------------------------------------


@promise("1")
def it_knows_its_own_host_without_a_token_and_no_other(stage: Stage) -> None:
    for slug in REGISTRY:
        api = stage.provider.api_url(stage.sandbox.base(slug))
        known = stage.provider.recognise(stage.door, api, stage.rules)
        assert known is (slug == stage.slug)
    assert not any("authorization" in one["headers"] for one in stage.sandbox.requests(stage.slug))


# -- identity and token ----------------------------------------------------------------------------


@promise("1")
def the_account_is_named_and_its_id_survives_a_rename(stage: Stage) -> None:
    account, cast = stage.account(), stage.cast
    before = account.identify()
    known = stage.sandbox.account(stage.slug, cast.login)
    assert (before.id, before.login, before.name) == (known["external_id"], cast.login, cast.name)
    stage.sandbox.change_account(stage.slug, cast.login, login="renamed")
    after = account.identify()
    assert (after.id, after.login) == (before.id, "renamed")


@promise("1")
def missing_optional_facts_of_an_account_are_none(stage: Stage) -> None:
    stage.fault("drop_keys", stage.cast.user, value=list(stage.cast.optional))
    who = stage.account().identify()
    assert (who.name, who.avatar_url, who.web_url) == (None, None, None)


@promise("2")
def a_dead_token_is_rejected_with_its_reason(stage: Stage) -> None:
    for name, reason in stage.cast.dead.items():
        for ask in _questions(stage.account(name)):
            with pytest.raises(TokenRejected) as caught:
                ask()
            assert caught.value.reason == reason


@promise("2", "unauthorized", "unauthorized_text", "unauthorized_empty")
def every_body_of_a_401_rejects_the_token(stage: Stage, fault: str) -> None:
    stage.fault(fault)
    for ask in _questions(stage.account()):
        with pytest.raises(TokenRejected):
            ask()


@promise("2", 'Basic realm="corp"', "Negotiate", "NTLM")
def a_401_of_a_gateway_says_nothing_about_the_token(stage: Stage, wanted: str) -> None:
    stage.fault("unauthorized_html", value=wanted)
    for ask in _questions(stage.account()):
        with pytest.raises(BadAnswer, match="gateway"):
            ask()


@promise("2")
def a_blocked_account_is_suspended(stage: Stage) -> None:
    stage.sandbox.change_account(stage.slug, stage.cast.login, state="blocked")
    for ask in _questions(stage.account()):
        with pytest.raises(TokenRejected, match="suspended"):
            ask()


def _questions(account: Provider) -> Iterable[Callable[[], object]]:
    return (account.identify, account.inspect, account.repositories)


@promise(
    "3",
    ("timeout", None, Unreachable, "timeout"),
    ("hang_headers", None, Unreachable, "timeout"),
    ("drip_body", None, Unreachable, "timeout"),
    ("refuse", None, Unreachable, "reset"),
    ("reset", None, Unreachable, "reset"),
    ("status:500", None, Unreachable, "http_5xx"),
    ("status:503", 7, Unreachable, "http_5xx"),
    ("html", 502, Unreachable, "http_5xx"),
    ("rate_limit", 37, RateLimited, "limit"),
    ("redirect", None, BadAnswer, "redirect"),
    ("redirect", "https://evil.example/", BadAnswer, "redirect"),
    ("status:410", None, BadAnswer, "api_removed"),
    ("status:418", None, BadAnswer, "refused"),
    ("html", None, BadAnswer, "not_json"),
    ("bad_json", None, BadAnswer, "not_json"),
    ("deep_json", None, BadAnswer, "not_json"),
    ("big_number", None, BadAnswer, "not_json"),
    ("null_json", "7", BadAnswer, "shape"),
    ("null_json", '"x"', BadAnswer, "shape"),
    ("huge_body", 4_000_000, BadAnswer, "too_big"),
    ("gzip_bomb", 1_000_000, BadAnswer, "encoded"),
    ("truncated", None, BadAnswer, "short"),
    ("echo", None, BadAnswer, "refused"),
)
def trouble_on_the_way_never_condemns_a_token_nor_shortens_a_list(
    stage: Stage, fault: str, value: object, error: type[ProviderError], reason: str
) -> None:
    account = stage.account(hasty=reason == "timeout")
    stage.fault(fault, value=value)
    for ask in _questions(account):
        with pytest.raises(ProviderError) as caught:
            ask()
        assert (type(caught.value), caught.value.reason) == (error, reason)
        _holds_no_secret(account.credential.token, caught.value)


@promise("3")
def nobody_at_home_is_unreachable(stage: Stage) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    base = f"http://127.0.0.1:{port}/{stage.slug}"
    host, rules = Host(base, stage.provider.api_url(base)), Rules(sandbox=("127.0.0.1", port))
    account = stage.provider(host, stage.account().credential, stage.door, rules)
    for ask in _questions(account):
        with pytest.raises(Unreachable, match="refused"):
            ask()


@promise("4")
def the_missing_scopes_are_named_for_each_ability(stage: Stage) -> None:
    found = {name: stage.account(name).inspect().missing for name in stage.cast.missing}
    assert found == dict(stage.cast.missing)


@promise("4")
def a_useless_token_is_refused_by_what_it_lacks(stage: Stage) -> None:
    for name, lacks in stage.cast.refused.items():
        with pytest.raises(MissingScope) as caught:
            stage.account(name).inspect()
        assert caught.value.missing == lacks


@promise("5", -SKEW, 0.0, SKEW)
def the_end_and_its_worth_are_right_whatever_the_clock(stage: Stage, skew: float) -> None:
    stage.sandbox.skew(skew)
    for name, quality in stage.cast.ends.items():
        found = stage.account(name).inspect().expiry
        assert found.quality is quality
        if quality is Quality.EXACT:
            told = stage.sandbox.token_facts(stage.slug, stage.cast.login, name)["expires_at"]
            assert found.at == datetime.fromtimestamp(told, UTC)
        assert (found.at is None) == (quality in {Quality.NEVER, Quality.UNKNOWN})


@promise("6")
def what_cannot_be_asked_is_tried(stage: Stage) -> None:
    name, fault = stage.cast.untold
    if fault:
        stage.fault(fault)
    found = stage.account(name).inspect()
    assert found.identity.login == stage.cast.login
    assert (found.scopes, found.missing) == (None, {})
    assert found.expiry.quality in {Quality.UNKNOWN, Quality.NEVER}


@promise("7", "line\r\nX: y", "with space\n", "日本語", "a\x00b")
def a_token_that_no_header_carries_is_refused_unsent(stage: Stage, odd: str) -> None:
    token = f"sandbox-test-{odd}"
    with pytest.raises(TokenRejected, match="characters") as caught:
        stage.account_with(token).identify()
    _holds_no_secret(token, caught.value)
    assert stage.sandbox.requests(stage.slug) == []


@promise("7")
def a_very_long_token_is_carried(stage: Stage) -> None:
    token = "sandbox-test-" + "x" * 5000
    with pytest.raises(TokenRejected) as caught:
        stage.account_with(token).identify()
    _holds_no_secret(token, caught.value)
    assert token in str(stage.sandbox.requests(stage.slug)[-1]["headers"])


@promise("7")
def a_token_is_in_no_address_and_no_repr(stage: Stage) -> None:
    account, cast = stage.account(), stage.cast
    account.inspect()
    all_repositories(account, "a")
    account.branches(cast.rich)
    clone = account.clone(cast.rich)
    asked = [f"{one['path']}?{one['query']}" for one in stage.sandbox.requests(stage.slug)]
    shown = f"{asked}{account.credential!r}{account.host!r}{clone!r}{account!r}"
    assert account.credential.token not in shown


def _holds_no_secret(token: str, error: ProviderError) -> None:
    told = "".join(traceback.format_exception(error))
    assert token not in f"{told}{error!r}{error.facts}{error.detail}"


# -- revoke, rotate --------------------------------------------------------------------------------


@promise("12", needs=Can.REVOKE)
def revoking_ends_one_token_and_twice_is_no_error(stage: Stage) -> None:
    scopes = list(stage.provider.spec.ask_scopes)
    mine, sibling = (
        stage.account_with(stage.sandbox.new_token(stage.slug, stage.cast.login, name, scopes))
        for name in ("one", "two")
    )
    mine.revoke()
    with pytest.raises(TokenRejected):
        mine.identify()
    mine.revoke()
    assert sibling.identify().login == stage.cast.login


@promise("12", needs=Can.ROTATE)
def rotating_gives_a_living_successor_and_the_old_one_dies(stage: Stage) -> None:
    account = stage.account()
    until = datetime.now(UTC).date() + timedelta(days=30)
    fresh = account.rotate(until)
    assert stage.account_with(fresh.token).identify().login == stage.cast.login
    if fresh.expiry.quality is Quality.EXACT:
        assert fresh.expiry.at == datetime(until.year, until.month, until.day, tzinfo=UTC)
    with pytest.raises(TokenRejected):
        account.identify()


@promise("2")
def a_confirmation_tells_the_living_from_the_dead(stage: Stage) -> None:
    stage.account().confirm()
    with pytest.raises(TokenRejected):
        stage.account("revoked").confirm()
