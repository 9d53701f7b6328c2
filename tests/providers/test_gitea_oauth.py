"""Gitea: one error word for two troubles, and what becomes of a pair."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from providers import oauth
from providers.errors import BadAnswer, TokenRejected
from providers.gitea import Gitea
from providers.http import Door
from providers.types import Credential, Method
from tests.providers.stage import Stage


@pytest.fixture
def stage(sandbox, tmp_path):
    with Door() as door:
        yield Stage("gitea", sandbox, door, door, tmp_path)


def _pair(stage: Stage) -> Credential:
    scopes = list(Gitea.spec.ask_scopes)
    stage.sandbox.new_token("gitea", "build-bot", "pair", scopes, kind="oauth")
    facts = stage.sandbox.token_facts("gitea", "build-bot", "pair")
    return Credential(facts["token"], facts["refresh_token"], kind=Method.OAUTH)


def _refreshed(stage: Stage, pair: Credential, **host: str) -> Credential:
    dialect = Gitea.spec.oauth
    assert dialect
    at, now = replace(stage.host, **host), datetime.now(UTC)
    return oauth.refresh(at, dialect, pair, door=stage.door, rules=stage.rules, now=now)


def test_a_spent_refresh_token_is_told_from_a_wrong_app(stage):
    pair = _pair(stage)
    with pytest.raises(BadAnswer, match="client_config"):
        _refreshed(stage, pair, client_secret="sandbox-wrong")
    fresh = _refreshed(stage, pair)
    with pytest.raises(TokenRejected, match="grant"):
        _refreshed(stage, pair)
    assert _refreshed(stage, fresh).refresh_token != fresh.refresh_token


def test_where_refresh_tokens_are_kept_the_old_one_serves_again(stage):
    stage.fault("rotation_off")
    pair = _pair(stage)
    assert _refreshed(stage, pair).token != _refreshed(stage, pair).token


def test_a_refresh_token_that_outlived_itself_is_no_fault_of_the_app(stage):
    pair = _pair(stage)
    stage.sandbox.skew(731 * 3600)
    with pytest.raises(TokenRejected, match="grant"):
        _refreshed(stage, pair)


def test_a_grant_that_the_person_took_back_is_gone(stage):
    pair = _pair(stage)
    stage.sandbox.revoke("pair", "gitea")
    account = stage.account_with(pair.token, kind=Method.OAUTH)
    with pytest.raises(TokenRejected):
        account.identify()
    with pytest.raises(TokenRejected, match="grant"):
        _refreshed(stage, pair)


def test_after_its_end_the_access_token_is_renewed(stage):
    stage.fault("token_life", value=8)
    fresh = _refreshed(stage, _pair(stage))
    stage.sandbox.skew(9)
    with pytest.raises(TokenRejected):
        stage.account_with(fresh.token, kind=Method.OAUTH).identify()
    stage.sandbox.clear_faults()
    newer = _refreshed(stage, fresh)
    assert stage.account_with(newer.token, kind=Method.OAUTH).identify().login == "build-bot"
