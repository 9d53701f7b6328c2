"""What every provider with refresh tokens promises about its pairs (`providers.md` 15).

`providers/oauth.py` with this provider's dialect, before the sandbox.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from providers import oauth
from providers.errors import BadAnswer, TokenRejected
from providers.types import Can, Credential, Host, Method, Quality
from tests.providers.contract import promise
from tests.providers.stage import Stage


def _pair(stage: Stage) -> tuple[Host, Credential]:
    """The app that issued a pair, and the pair."""
    kind, client_id = stage.cast.pair
    scopes = list(stage.provider.spec.ask_scopes)
    stage.sandbox.new_token(stage.slug, stage.cast.login, "pair", scopes, kind=kind)
    facts = stage.sandbox.token_facts(stage.slug, stage.cast.login, "pair")
    pair = Credential(facts["token"], facts["refresh_token"], kind=Method.OAUTH)
    return replace(stage.host, client_id=client_id), pair


def _refreshed(stage: Stage, host: Host, pair: Credential) -> Credential:
    dialect = stage.provider.spec.oauth
    assert dialect
    now = datetime.now(UTC)
    return oauth.refresh(host, dialect, pair, door=stage.door, rules=stage.rules, now=now)


@promise("8", needs=Can.REFRESH)
def a_refresh_gives_a_living_pair_and_spends_the_old_one(stage: Stage) -> None:
    host, old = _pair(stage)
    fresh = _refreshed(stage, host, old)
    account = stage.account_with(fresh.token, kind=Method.OAUTH, expiry=fresh.expiry)
    found = account.inspect()
    assert (found.identity.login, found.expiry) == (stage.cast.login, fresh.expiry)
    assert fresh.expiry.quality is Quality.EXACT
    stage.sandbox.skew(stage.cast.grace)
    with pytest.raises(TokenRejected, match="grant"):
        _refreshed(stage, host, old)


@promise("10", needs=Can.REFRESH)
def what_a_refresh_leaves_out_stays_or_is_unknown(stage: Stage) -> None:
    host, old = _pair(stage)
    stage.fault("token_answer", value={"refresh_token": None, "expires_in": None})
    fresh = _refreshed(stage, host, old)
    assert fresh.refresh_token == old.refresh_token
    assert fresh.expiry.quality is Quality.UNKNOWN


@promise("11", needs=Can.REFRESH)
def a_wrong_app_is_not_a_dead_token(stage: Stage) -> None:
    host, pair = _pair(stage)
    wrong = replace(host, client_secret="sandbox-wrong")
    with pytest.raises(BadAnswer, match="client_config"):
        _as_app(stage, wrong, pair)
    assert _refreshed(stage, host, pair).token != pair.token


def _as_app(stage: Stage, host: Host, pair: Credential) -> Credential:
    """Ask with the app's secret: a refresh, or an exchange where refreshing needs no app."""
    dialect, now = stage.provider.spec.oauth, datetime.now(UTC)
    assert dialect
    if dialect.refresh_needs_client:
        return _refreshed(stage, host, pair)
    back, more = "http://localhost:9/oauth/callback/sandbox/", {"door": stage.door, "now": now}
    return oauth.exchange(host, dialect, "sandbox-code", back, rules=stage.rules, **more)
