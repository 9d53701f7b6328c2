"""Real git against a real server: what it clones, and the sentence it prints where it may not."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

from django.utils import timezone

from bindings.models import Binding
from bindings.services.clone import leases
from bindings.services.clone.leases import Issued
from tests.bindings.clone.conftest import Git, change, lend, reload, secret_of
from tests.bindings.sources import GitLab
from tests.hosts import Sandbox
from tests.people import Somebody

WAYS = {
    "full": [],
    "shallow": ["--depth", "1"],
    "single": ["--single-branch", "--no-tags"],
    "partial": ["--filter=blob:none"],
}


def upstream(git: Git, gitlab: GitLab) -> Path:
    """What the host itself gives."""
    straight = f"{gitlab.base_url}/platform/api.git".replace("//", f"//oauth2:{gitlab.token()}@", 1)
    git.good("clone", "-q", straight, "straight")
    return git.at / "straight"


def tree(git: Git, at: Path) -> str:
    return git.good("rev-parse", "HEAD^{tree}", cwd=at) + git.good("ls-files", cwd=at)


def test_git_clones_in_every_way_and_protocol(git: Git, gitlab: GitLab, lent: Issued):
    wanted = tree(git, upstream(git, gitlab))
    for name, options in WAYS.items():
        git.good("clone", "-q", *options, lent.url, name, made=lent)
        assert tree(git, git.at / name) == wanted, name
    for version in ("0", "1", "2"):
        protocol = ["-c", f"protocol.version={version}"]
        git.good(*protocol, "clone", "-q", lent.url, f"v{version}", made=lent)
        assert tree(git, git.at / f"v{version}") == wanted, version
    seen = reload(lent)
    assert seen.uses >= 2 * len(WAYS)
    assert seen.bytes > 10_000
    assert seen.used_at is not None


def test_what_is_pushed_at_the_host_is_fetched_from_here(git: Git, sandbox: Sandbox, lent: Issued):
    git.good("clone", "-q", lent.url.removesuffix(".git"), "work", made=lent)
    pushed = sandbox.push("gitlab", "platform/api", deliver=False)
    git.good("pull", "-q", cwd=git.at / "work", made=lent)
    assert git.good("rev-parse", "HEAD", cwd=git.at / "work") == pushed["after"]


def test_a_repository_that_moved_is_found_by_its_number(git: Git, sandbox: Sandbox, lent: Issued):
    sandbox.change_repository("gitlab", "platform/api", path="platform/service")
    git.good("clone", "-q", lent.url, "moved", made=lent)


def test_twenty_clone_at_once(git: Git, bound: Binding, bob: Somebody):
    made = [lend(bob, bound) for _ in range(20)]

    def clone(number: int) -> None:
        at = Git(git.site, git.at / str(number), git.log)
        at.at.mkdir()
        at.good("clone", "-q", "--bare", "--depth", "1", made[number].url, "w", made=made[number])

    with ThreadPoolExecutor(20) as threads:
        list(threads.map(clone, range(20)))
    assert all(reload(one).uses >= 2 for one in made)


def test_git_prints_why_it_is_turned_away(
    git: Git, sandbox: Sandbox, bound: Binding, bob: Somebody, lent: Issued
):
    git.good("clone", "-q", lent.url, "work", made=lent)
    work = git.at / "work"
    git.good("commit", "-q", "--allow-empty", "-m", "mine", cwd=work)
    before = sandbox.state()["requests"]["gitlab"]
    assert "remote: This address is read-only. (X-SCOPE-01)" in git.bad(
        "push", "origin", "HEAD", cwd=work, made=lent
    )
    other = lent.url.replace("/api.git", "/web.git")
    assert "remote: This lease is for another repository. (X-FOUND-01)" in git.bad(
        "clone", other, "other", made=lent
    )
    climbing = lent.url.replace("platform/api.git", "platform/web/%2e%2e/api.git")
    assert "remote: There is nothing here for git to read." in git.bad(
        "clone", climbing, "climbing", made=lent
    )
    short = lend(bob, bound, seconds=60)
    change(short, expires_at=timezone.now() - timedelta(minutes=3))
    said = git.bad("clone", short.url, "late", made=short)
    assert "remote: This lease ended at " in said
    assert "UTC. (X-AUTH-02)" in said
    leases.revoke(actor=bob.actor, lease=lent.lease)
    assert "remote: This lease ended at " in git.bad("fetch", cwd=work, made=lent)
    assert (git.at / "store").read_text() == ""  # git has dropped what no longer works
    assert sandbox.state()["requests"]["gitlab"] == before


def test_a_host_that_is_away_is_told_apart(git: Git, sandbox: Sandbox, lent: Issued):
    sandbox.stop()
    said = git.bad("clone", lent.url, "gone", made=lent)
    assert "remote: The code host did not answer. (GL-NET-02)" in said
    assert sandbox.url.removeprefix("http://") not in said


def test_the_token_is_nowhere(git: Git, sandbox: Sandbox, gitlab: GitLab, lent: Issued):
    secret = secret_of(gitlab)
    said = git.run("-c", "http.extraHeader=X: y", "clone", lent.url, "seen", made=lent)
    sandbox.fault("gitlab", "status:500", "/platform/api.git/**")
    failed = git.run("clone", lent.url, "unseen", made=lent)
    for text in (said.stderr, failed.stderr, git.log.read_text()):
        assert secret not in text
        assert lent.password not in text
    for process in Path("/proc").glob("[0-9]*"):
        for name in ("cmdline", "environ"):
            try:
                held = (process / name).read_bytes()
            except OSError:
                continue
            assert secret.encode() not in held, process
