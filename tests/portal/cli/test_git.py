"""What needs the portal as it is run: real git with the helper of `api.md` 8, no token on disk, and
the worker that checks. Programs are processes here."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from bindings.models import Binding, Lease
from portal.ground import rls
from portal.tenants.models import Instance
from tests.bindings.sources import GitHub, GitLab
from tests.embedded import Services
from tests.hosts import Sandbox
from tests.journeys import servers
from tests.people import Somebody
from tests.portal.cli.conftest import Said, Terminal


@pytest.fixture(autouse=True)
def _empty_redis(services: Services) -> None:
    """Every test begins with an empty Redis, but for what ties the worker to its queues."""
    assert services.redis
    with redis.Redis.from_url(os.environ["REDIS_URL"]) as session:
        for key in session.scan_iter():
            if not key.startswith(b"_kombu"):
                session.delete(key)


@pytest.fixture(scope="module")
def site(
    services: Services,
    sandbox_process: Sandbox,
    django_db_setup: Any,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[str]:
    """The address of a running portal."""
    assert services.redis
    with servers.portal(sandbox_process.url, tmp_path_factory.mktemp("portal")) as address:
        yield address


@pytest.fixture
def binding(gitlab: GitLab, alice: Somebody, instance: Instance) -> Binding:
    return gitlab.bind(alice.actor, instance)


@pytest.fixture
def builder(terminal: Terminal, site: str) -> Terminal:
    """A build machine: both programs on its path, git told about the portal."""
    programs = terminal.home / "bin"
    programs.mkdir()
    helper = programs / "git-credential-mooring"
    helper.write_text(f'#!/bin/sh\nexec {sys.executable} -P -m portal.cli.credential "$@"\n')
    helper.chmod(0o755)
    path = f"{programs}:{terminal.environment['PATH']}"
    machine = terminal.having(PATH=path, GIT_TERMINAL_PROMPT="0", GIT_CONFIG_NOSYSTEM="1")
    for name, value in (("helper", "mooring"), ("useHttpPath", "true")):
        git(machine, "config", "--global", f"credential.{site}.{name}", value)
    return machine


def git(terminal: Terminal, *words: str, typed: str = "") -> Said:
    done = terminal.run(["git", *words], typed)
    assert done.status == 0, done.err
    return done


def leases(alice: Somebody) -> list[Lease]:
    with rls.tenant(alice.tenant.pk):
        return list(Lease.objects.of(alice.tenant.pk).order_by("id"))


def on_disk(place: Path) -> bytes:
    """Every byte of every file below."""
    return b"\n".join(one.read_bytes() for one in place.rglob("*") if one.is_file())


def test_git_gets_a_lease_for_the_repository_it_asks_about(
    builder: Terminal, site: str, binding: Binding, alice: Somebody, secret: str
) -> None:
    builder = builder.without("MOORING_URL", "MOORING_TOKEN")  # from here on what login kept counts
    builder.process("login", "--url", site, "--with-token", typed=secret)
    host = site.removeprefix("http://")
    asked = f"protocol=http\nhost={host}\npath=git/{binding.public_id}/platform/api.git\n\n"
    filled = git(builder, "credential", "fill", typed=asked)
    given = dict(line.split("=", 1) for line in filled.out.splitlines())
    (lease,) = leases(alice)
    assert (given["username"], lease.revoked_at) == (lease.public_id, None)
    assert given["password"].startswith("mrl_")
    git(builder, "credential", "approve", typed=filled.out + "\n")
    assert leases(alice)[0].revoked_at is None
    git(builder, "credential", "reject", typed=filled.out + "\n")
    assert leases(alice)[0].revoked_at is not None


def test_a_clone_leaves_no_token_on_disk(
    builder: Terminal, site: str, binding: Binding, gitlab: GitLab, alice: Somebody, secret: str
) -> None:
    here = f"url.{site}/git/{binding.public_id}/.insteadOf"
    git(builder, "config", "--global", here, "https://gitlab.acme.example/")
    git(builder, "clone", "https://gitlab.acme.example/platform/api.git", "api")
    tip = git(builder, "-C", "api", "rev-parse", "HEAD").out.strip()
    resolved = builder.process("resolve", binding.public_id, "platform/api", "main", "--json")
    assert resolved.json["sha"] == tip
    git(builder, "-C", "api", "fetch", "origin")
    written = on_disk(builder.home)
    assert (builder.home / "api" / ".git" / "config").exists()
    for word in (secret, gitlab.token(), "mrg_", "mrl_", "lse_"):
        assert word.encode() not in written


def test_mooring_clone_needs_no_configuration_and_ends_its_lease(
    terminal: Terminal, site: str, binding: Binding, alice: Somebody, secret: str
) -> None:
    loud = terminal.having(GIT_TRACE="1")  # git then says every command it runs
    said = loud.process("clone", binding.public_id, "platform/api", "here", "--json")
    assert (said.status, said.json["path"]) == (0, "platform/api"), said.err
    assert (terminal.home / "here" / ".git").is_dir()
    assert "git-remote-http" in said.err
    assert not [word for word in (secret, "mrg_", "mrl_", "lse_") if word in said.err]
    (lease,) = leases(alice)
    assert lease.revoked_at is not None
    assert lease.build.startswith("clone-")
    written = on_disk(terminal.home)
    for word in (secret, "mrg_", "mrl_", "lse_"):
        assert word.encode() not in written
    refused = terminal.process("clone", binding.public_id, "platform/nowhere")
    refused.refused("GL-REPO-02")


def test_a_lease_is_printed_once_with_all_git_needs(
    terminal: Terminal, site: str, binding: Binding, alice: Somebody
) -> None:
    words = ("lease", binding.public_id, "platform/api", "--ttl", "60", "--build", "jenkins-1")
    lease = terminal.process(*words, "--json").json
    assert lease["url"] == f"{site}/git/{binding.public_id}/platform/api.git"
    assert (lease["status"], lease["build"]) == ("active", "jenkins-1")
    shown = terminal.process(*words)
    assert shown.status == 0
    assert "password    mrl_" in shown.out
    wrong = terminal.process("lease", binding.public_id, "platform/api", "--kind", "provider_token")
    wrong.refused("X-LEASE-01")


def test_why_a_repository_is_not_there(
    terminal: Terminal, binding: Binding, gitlab: GitLab
) -> None:
    link = f"{gitlab.base_url}/platform/nowhere"
    found = terminal.process("why", binding.public_id, link, "--json")
    assert (found.status, found.json["code"]) == (0, "GL-REPO-02")
    assert "verdict" in terminal.process("why", binding.public_id, link).out


def test_a_check_is_waited_for(terminal: Terminal, binding: Binding) -> None:
    checked = terminal.process("check", binding.public_id)
    assert (checked.status, checked.out.splitlines()[-1]) == (0, "state: healthy"), checked.err


def test_no_argument_of_a_process_is_a_token(
    terminal: Terminal, github: GitHub, instance: Instance, secret: str
) -> None:
    waiting = terminal.begin("bind", "github", "-i", instance.name)
    assert waiting.stderr is not None
    assert "/i/" in waiting.stderr.readline()
    arguments = Path(f"/proc/{waiting.pid}/cmdline").read_bytes()
    waiting.terminate()
    waiting.communicate(timeout=30)
    assert b"portal.cli" in arguments
    assert secret.encode() not in arguments
