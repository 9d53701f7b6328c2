"""Bitbucket: long pairs, an app that proves itself by Basic, and ten minutes of grace."""

from __future__ import annotations

from base64 import b64encode
from datetime import UTC, datetime, timedelta

import pytest

from providers import oauth
from providers.bitbucket import Bitbucket
from providers.errors import TokenRejected
from providers.http import Door
from providers.types import Credential, Host, Method, Rules
from tests.providers.canned import Says, canned
from tests.providers.stage import Stage

OAUTH = Bitbucket.spec.oauth


def test_the_app_proves_itself_in_the_header_only():
    says = Says({"access_token": "t" * 2600, "refresh_token": "r" * 2700, "scopes": "a b"})
    with canned({"POST /site/oauth2/access_token": says}) as host, Door() as door:
        rules = Rules(sandbox=("127.0.0.1", int(host.base_url.rpartition(":")[2])))
        at = Host(host.base_url, "", "sandbox-client", "sandbox-client-secret")
        made = oauth.exchange(
            at, OAUTH, "c", "https://x/", door=door, rules=rules, now=datetime.now(UTC)
        )
    pair = b64encode(b"sandbox-client:sandbox-client-secret").decode()
    assert host.asked[0].headers["authorization"] == f"Basic {pair}"
    assert b"sandbox-client-secret" not in host.asked[0].body
    assert (len(made.token), len(made.refresh_token), made.scopes) == (2600, 2700, {"a", "b"})


# -- before the sandbox ----------------------------------------------------------------------------


@pytest.fixture
def stage(sandbox, tmp_path):
    with Door() as door:
        yield Stage("bitbucket", sandbox, door, door, tmp_path)


def _pair(stage: Stage) -> Credential:
    scopes = list(Bitbucket.spec.ask_scopes)
    stage.sandbox.new_token("bitbucket", "octavia", "pair", scopes)
    facts = stage.sandbox.token_facts("bitbucket", "octavia", "pair")
    return Credential(facts["token"], facts["refresh_token"], kind=Method.OAUTH)


def _refreshed(stage: Stage, pair: Credential) -> Credential:
    now = datetime.now(UTC)
    return oauth.refresh(stage.host, OAUTH, pair, door=stage.door, rules=stage.rules, now=now)


def test_a_spent_refresh_token_serves_for_ten_minutes(stage):
    old = _pair(stage)
    fresh = _refreshed(stage, old)
    stage.sandbox.skew(590)
    again = _refreshed(stage, old)
    assert len({old.refresh_token, fresh.refresh_token, again.refresh_token}) == 3
    stage.sandbox.skew(610)
    with pytest.raises(TokenRejected, match="grant"):
        _refreshed(stage, old)
    assert _refreshed(stage, fresh).token


def test_where_refresh_tokens_do_not_rotate_yet_the_same_one_stays(stage):
    stage.fault("rotation_off")
    old = _pair(stage)
    fresh = _refreshed(stage, old)
    assert (fresh.refresh_token, fresh.token != old.token) == (old.refresh_token, True)
    stage.sandbox.skew(3600)
    assert _refreshed(stage, fresh).token


def test_a_refresh_token_unused_for_three_months_is_dead(stage):
    old = _pair(stage)
    stage.sandbox.skew(timedelta(days=91).total_seconds())
    with pytest.raises(TokenRejected, match="grant"):
        _refreshed(stage, old)


def test_the_pair_is_longer_than_other_hosts_ever_made_one(stage):
    fresh = _refreshed(stage, _pair(stage))
    assert min(len(fresh.token), len(fresh.refresh_token)) > 2500
    assert stage.account_with(fresh.token).identify().login == "octavia"
    clone = stage.account_with(fresh.token).clone("octavia/harbor")
    assert clone.username == "x-token-auth"
    assert stage.git(clone, "ls-remote", clone.url).returncode == 0
