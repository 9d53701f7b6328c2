"""The control API: tokens, faults' bookkeeping, and the way back to the start."""

from __future__ import annotations

import http.client
import json
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.hosts import ROOT, Sandbox, ask


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def test_state_shows_accounts_with_their_tokens_as_the_demo_file_does(sandbox: Sandbox) -> None:
    gitlab = sandbox.state()["providers"]["gitlab"]
    assert gitlab["base_url"] == sandbox.base("gitlab")
    bot = next(a for a in gitlab["accounts"] if a["login"] == "build-bot")
    assert bot["external_id"] == "42"
    full = next(t for t in bot["tokens"] if t["name"] == "full")
    assert full["scopes"] == ["api"]
    assert full["state"] == "active"
    assert "sandbox" in full["token"]


@pytest.mark.parametrize("provider", ["github", "gitlab"])
def test_every_token_text_says_that_it_is_not_real(sandbox: Sandbox, provider: str) -> None:
    accounts = sandbox.state()["providers"][provider]["accounts"]
    texts = [t["token"] for a in accounts for t in a["tokens"]]
    assert len(texts) == len(set(texts)) > 3
    assert all("sandbox" in text for text in texts)


def test_a_dozen_repositories_and_every_kind_of_them(sandbox: Sandbox) -> None:
    for provider in ("github", "gitlab"):
        known = sandbox.state()["providers"][provider]["repositories"]
        assert len(known) >= 12
        assert {r["visibility"] for r in known} >= {"private", "public"}
        assert any(r["archived"] for r in known)
        assert any(r["default_branch"] is None for r in known)


def test_a_token_made_here_works_until_it_is_revoked(sandbox: Sandbox) -> None:
    token = sandbox.new_token("gitlab", "ann", "mine", ["api"], "2027-01-31")
    user = f"{sandbox.base('gitlab')}/api/v4/user"
    assert ask("GET", user, headers=bearer(token)).json()["username"] == "ann"
    assert sandbox.token_facts("gitlab", "ann", "mine")["expires_on"] == "2027-01-31"
    sandbox.revoke("mine")
    assert ask("GET", user, headers=bearer(token)).status == 401


def test_a_name_that_two_accounts_use_must_be_narrowed(sandbox: Sandbox) -> None:
    reply = ask("POST", f"{sandbox.url}/_control/tokens/full/revoke", json_body={})
    assert reply.status == 409
    sandbox.revoke("full", "gitlab", "ann")
    assert sandbox.token_facts("gitlab", "ann")["state"] == "revoked"
    assert sandbox.token_facts("gitlab", "build-bot")["state"] == "active"


def test_reset_forgets_everything_that_was_done(sandbox: Sandbox) -> None:
    before = sandbox.token("gitlab", "build-bot")
    sandbox.new_token("gitlab", "ann", "mine", ["api"])
    sandbox.revoke("full", "gitlab", "build-bot")
    sandbox.fault("gitlab", "html")
    pushed = sandbox.push("gitlab", "platform/api")
    sandbox.reset()
    assert sandbox.token("gitlab", "build-bot") == before
    branch = f"{sandbox.base('gitlab')}/api/v4/projects/1077/repository/branches/main"
    reply = ask("GET", branch, headers=bearer(before))
    assert reply.json()["commit"]["id"] == pushed["before"]
    names = [t["name"] for t in sandbox.account("gitlab", "ann")["tokens"]]
    assert "mine" not in names
    assert sandbox.state()["faults"] == []


def test_requests_are_counted_by_path_and_kept_with_their_headers(sandbox: Sandbox) -> None:
    token = sandbox.token("gitlab", "build-bot")
    for _ in range(3):
        ask("GET", f"{sandbox.base('gitlab')}/api/v4/user?x=1", headers=bearer(token))
    assert sandbox.count("gitlab", "/api/v4/user") == 3
    last = sandbox.requests("gitlab", "/api/v4/user")[-1]
    assert last["headers"]["authorization"] == f"Bearer {token}"
    assert (last["method"], last["query"], last["status"]) == ("GET", "x=1", 200)


def test_requests_before_the_end_of_a_retry_after_are_counted(sandbox: Sandbox) -> None:
    user = f"{sandbox.base('gitlab')}/api/v4/user"
    sandbox.fault("gitlab", "rate_limit", times=1, value="30")
    assert ask("GET", user).status == 429
    assert sandbox.state()["requests_before_retry_after"] == {}
    ask("GET", user)
    assert sandbox.state()["requests_before_retry_after"] == {"gitlab": 1}
    sandbox.clear_faults()
    ask("GET", user)
    assert sandbox.state()["requests_before_retry_after"] == {"gitlab": 1}


def test_a_clock_that_is_ahead_ends_tokens_earlier(sandbox: Sandbox) -> None:
    token = sandbox.token("gitlab", "build-bot", "ending")
    user = f"{sandbox.base('gitlab')}/api/v4/user"
    assert ask("GET", user, headers=bearer(token)).status == 200
    sandbox.skew(7 * 86400)
    refused = ask("GET", user, headers=bearer(token))
    assert refused.status == 401
    assert "expired" in refused.json()["error_description"]


def test_an_account_keeps_its_number_when_it_is_renamed(sandbox: Sandbox) -> None:
    token = sandbox.token("github", "octavia")
    sandbox.change_account("github", "octavia", login="octavia-two")
    user = f"{sandbox.base('github')}/api/v3/user"
    said = ask("GET", user, headers=bearer(token)).json()
    assert (said["id"], said["login"]) == (1001, "octavia-two")


def test_mistakes_are_named(sandbox: Sandbox) -> None:
    control = f"{sandbox.url}/_control"
    unknown = {"provider": "gitlab", "fault": "meteor"}
    assert ask("POST", f"{control}/faults", json_body=unknown).status == 400
    stranger = {"provider": "gitlab", "account": "nobody", "name": "x", "scopes": []}
    assert ask("POST", f"{control}/tokens", json_body=stranger).status == 404
    assert ask("POST", f"{control}/tokens", json_body={"provider": "svn"}).status == 404
    assert ask("GET", f"{sandbox.url}/elsewhere").status == 404


def test_sixteen_connections_are_served_side_by_side(sandbox: Sandbox) -> None:
    token = sandbox.token("gitlab", "build-bot")

    def many(number: int) -> list[int]:
        connection = http.client.HTTPConnection("127.0.0.1", sandbox.port)
        statuses = []
        for _ in range(20):
            connection.request("GET", "/gitlab/api/v4/user", headers=bearer(token))
            answer = connection.getresponse()
            statuses.append(answer.status)
            answer.read()
        connection.close()
        return statuses

    with ThreadPoolExecutor(16) as pool:
        assert all(statuses == [200] * 20 for statuses in pool.map(many, range(16)))
    assert sandbox.count("gitlab", "/api/v4/user") == 320


def test_a_restart_goes_on_with_what_was_there(sandbox: Sandbox) -> None:
    issued = sandbox.new_token("github", "otto", "kept", ["repo"])
    pushed = sandbox.push("github", "otto/vault")
    port = sandbox.port
    sandbox.stop()
    with pytest.raises(OSError, match="refused"):
        ask("GET", sandbox.url)
    sandbox.start()
    assert sandbox.port == port
    commit = f"{sandbox.base('github')}/api/v3/repos/otto/vault/commits/main"
    assert ask("GET", commit, headers=bearer(issued)).json()["sha"] == pushed["after"]


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGINT])
def test_it_says_where_it_listens_and_ends_cleanly(tmp_path: Path, ending: signal.Signals) -> None:
    command = [sys.executable, "-m", "providers.sandbox", "--bind", "127.0.0.1:0"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line.startswith("sandbox on http://127.0.0.1:")
        host = line.split("//")[1].strip()
        assert json.loads(ask("GET", f"http://{host}/_control/state").body)["providers"]
        process.send_signal(ending)
        assert process.wait(20) == 0


def test_wrong_usage_ends_with_2() -> None:
    command = [sys.executable, "-m", "providers.sandbox", "--bind", "nowhere"]
    assert subprocess.run(command, cwd=ROOT, capture_output=True).returncode == 2
