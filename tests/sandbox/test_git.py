"""git itself, over HTTP: clone, fetch and push with the sandbox's tokens."""

from __future__ import annotations

import base64
import os
import subprocess
from pathlib import Path

import pytest

from tests.chain import QUIET
from tests.hosts import Receiver, Sandbox, ask


def git(
    folder: Path, *arguments: str, user: str = "", token: str = ""
) -> subprocess.CompletedProcess[str]:
    """Run git; the credentials travel in a header, as a helper would send them."""
    environment = {**QUIET, "HOME": str(folder)}
    if token:
        pair = base64.b64encode(f"{user}:{token}".encode()).decode()
        environment |= {
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": "http.extraHeader",
            "GIT_CONFIG_VALUE_0": f"Authorization: Basic {pair}",
        }
    return subprocess.run(
        ["git", *arguments], cwd=folder, env=environment, capture_output=True, text=True
    )


def test_a_public_repository_is_cloned_by_anybody(sandbox: Sandbox, tmp_path: Path) -> None:
    done = git(tmp_path, "clone", "-q", f"{sandbox.base('github')}/octavia/tugboat.git", "here")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "here" / "Dockerfile").read_text().startswith("FROM scratch")


@pytest.mark.parametrize(
    ("provider", "path", "user", "account", "name"),
    [
        ("github", "octavia/harbor", "x-access-token", "octavia", "full"),
        ("github", "octavia/harbor", "x-access-token", "octavia", "fine"),
        ("gitlab", "platform/api", "oauth2", "build-bot", "full"),
        ("gitlab", "platform/api", "anything", "build-bot", "reduced"),
        ("gitlab", "platform/images/base/debian", "oauth2", "build-bot", "full"),
        ("gitlab", "platform/api", "gitlab+deploy-token-1", "build-bot", "deploy"),
        ("gitlab", "platform/api", "oauth2", "project_1077_bot_sandbox", "project"),
    ],
)
def test_a_private_one_with_a_token_that_may_read_it(
    sandbox: Sandbox, tmp_path: Path, provider: str, path: str, user: str, account: str, name: str
) -> None:
    url = f"{sandbox.base(provider)}/{path}.git"
    assert git(tmp_path, "clone", "-q", url, "no").returncode == 128
    token = sandbox.token(provider, account, name)
    done = git(tmp_path, "clone", "-q", url, "yes", user=user, token=token)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "yes" / "README.md").exists()


@pytest.mark.parametrize(
    ("provider", "path", "account", "name", "status"),
    [
        ("github", "octavia/harbor", "octavia", "revoked", 401),
        ("github", "octavia/harbor", "octavia", "ended", 401),
        ("github", "octavia/harbor", "octavia", "public-only", 404),
        ("github", "otto/vault", "octavia", "full", 404),
        ("github", "octavia/nothing", "octavia", "full", 404),
        ("github", "acme-inc/web", "octavia", "fine", 404),
        ("gitlab", "platform/api", "build-bot", "ended", 401),
        ("gitlab", "platform/api", "build-bot", "registry", 403),
        ("gitlab", "platform/api", "build-bot", "list-only", 403),
        ("gitlab", "ann/diary", "build-bot", "full", 404),
        ("gitlab", "platform/web", "build-bot", "deploy", 404),
    ],
)
def test_others_are_refused(
    sandbox: Sandbox, provider: str, path: str, account: str, name: str, status: int
) -> None:
    pair = f"oauth2:{sandbox.token(provider, account, name)}"
    headers = {"Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}
    url = f"{sandbox.base(provider)}/{path}.git/info/refs?service=git-upload-pack"
    assert ask("GET", url, headers=headers).status == status


def test_without_credentials_git_is_asked_for_them(sandbox: Sandbox) -> None:
    for path in ("platform/api", "platform/does-not-exist"):
        url = f"{sandbox.base('gitlab')}/{path}.git/info/refs?service=git-upload-pack"
        reply = ask("GET", url)
        assert reply.status == 401
        assert reply.headers["www-authenticate"] == 'Basic realm="GitLab"'


def test_an_oauth_token_of_gitlab_wants_the_user_oauth2(sandbox: Sandbox, tmp_path: Path) -> None:
    token = sandbox.new_token("gitlab", "build-bot", "issued", ["api"], kind="oauth")
    url = f"{sandbox.base('gitlab')}/platform/api.git"
    assert git(tmp_path, "ls-remote", url, user="build-bot", token=token).returncode == 128
    assert git(tmp_path, "ls-remote", url, user="oauth2", token=token).returncode == 0


def test_a_push_moves_the_branch_and_rings_the_hook(
    sandbox: Sandbox, receiver: Receiver, tmp_path: Path
) -> None:
    token = sandbox.token("gitlab", "build-bot")
    api = f"{sandbox.base('gitlab')}/api/v4/projects/1077"
    headers = {"Authorization": f"Bearer {token}"}
    wanted = {"url": receiver.url, "push_events": True, "token": "test-secret"}
    assert ask("POST", f"{api}/hooks", json_body=wanted, headers=headers).status == 201
    url = f"{sandbox.base('gitlab')}/platform/api.git"
    git(tmp_path, "clone", "-q", url, "work", user="oauth2", token=token)
    work = tmp_path / "work"
    (work / "new.txt").write_text("new\n")
    git(work, "add", ".")
    git(work, "commit", "-qm", "Add a file")
    done = git(work, "push", "-q", "origin", "HEAD:main", user="oauth2", token=token)
    assert done.returncode == 0, done.stderr
    head = git(work, "rev-parse", "HEAD").stdout.strip()
    branch = ask("GET", f"{api}/repository/branches/main", headers=headers).json()
    assert branch["commit"]["id"] == head
    (heard,) = receiver.wait(1)
    assert heard.headers["x-gitlab-token"] == "test-secret"
    assert head.encode() in heard.body


def test_readers_may_not_push(sandbox: Sandbox, tmp_path: Path) -> None:
    token = sandbox.token("gitlab", "build-bot")
    url = f"{sandbox.base('gitlab')}/research/model.git"
    git(tmp_path, "clone", "-q", url, "work", user="oauth2", token=token)
    work = tmp_path / "work"
    git(work, "commit", "-qm", "Nothing", "--allow-empty")
    done = git(work, "push", "-q", "origin", "HEAD:main", user="oauth2", token=token)
    assert done.returncode == 128
    assert "403" in done.stderr


def test_the_first_push_to_an_empty_repository_names_its_default_branch(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    token = sandbox.token("github", "octavia")
    url = f"{sandbox.base('github')}/octavia/blank.git"
    git(tmp_path, "clone", "-q", url, "work", user="x", token=token)
    work = tmp_path / "work"
    git(work, "commit", "-qm", "First", "--allow-empty")
    done = git(work, "push", "-q", "origin", "HEAD:trunk", user="x", token=token)
    assert done.returncode == 0, done.stderr
    headers = {"Authorization": f"Bearer {token}"}
    api = f"{sandbox.base('github')}/api/v3/repos/octavia/blank"
    assert ask("GET", api, headers=headers).json()["default_branch"] == "trunk"
    assert ask("GET", f"{api}/commits/trunk", headers=headers).status == 200


def test_a_renamed_repository_is_found_under_its_old_address(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    sandbox.change_repository("github", "octavia/tugboat", path="octavia/tug")
    old = f"{sandbox.base('github')}/octavia/tugboat.git"
    reply = ask("GET", f"{old}/info/refs?service=git-upload-pack")
    assert reply.status == 301
    assert "/octavia/tug.git/" in reply.headers["location"]
    assert git(tmp_path, "clone", "-q", old, "work").returncode == 0


def test_a_big_push_arrives_in_chunks(sandbox: Sandbox, tmp_path: Path) -> None:
    token = sandbox.token("gitlab", "build-bot")
    url = f"{sandbox.base('gitlab')}/platform/web.git"
    git(tmp_path, "clone", "-q", url, "work", user="oauth2", token=token)
    work = tmp_path / "work"
    (work / "big.bin").write_bytes(os.urandom(3 << 20))
    git(work, "add", ".")
    git(work, "commit", "-qm", "Add a big file")
    done = git(work, "push", "-q", "origin", "HEAD:big", user="oauth2", token=token)
    assert done.returncode == 0, done.stderr
    sent = sandbox.requests("gitlab", "/platform/web.git/git-receive-pack")
    assert any(asked["headers"].get("transfer-encoding") == "chunked" for asked in sent)


def test_a_big_clone_is_streamed(sandbox: Sandbox, tmp_path: Path) -> None:
    sandbox.add_repositories(
        "github", "octavia", history="bulky-8", prefix="big", visibility="public"
    )
    done = git(tmp_path, "clone", "-q", f"{sandbox.base('github')}/octavia/big.git", "big")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "big" / "data.bin").stat().st_size == 8 * 1024 * 1024
