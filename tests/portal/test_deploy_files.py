"""The image, the compose file and the build server's script say what the Makefile says."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from portal import embedded, env
from portal.celery import NAMES
from portal.ground.jobs import QUEUES
from portal.servers import Postgres

ROOT = Path(embedded.__file__).parent.parent
OURS = {"web", "git", "migrate", "beat", "sandbox"} | {f"worker-{name}" for name in NAMES}


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    read: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    return read


def dockerfile() -> list[str]:
    """The instructions of the Dockerfile, continued lines joined, comments dropped."""
    lines = (line for line in (ROOT / "Dockerfile").read_text().splitlines() if line[:1] != "#")
    return re.sub(r"\\\n\s*", " ", "\n".join(lines)).splitlines()


def makefile() -> str:
    return re.sub(r"\s*\\\n\s*", " ", (ROOT / "Makefile").read_text())


def test_the_makefile_has_six_targets() -> None:
    phony = re.search(r"^\.PHONY: (.*)$", makefile(), re.MULTILINE)
    assert phony is not None
    assert phony[1].split() == ["run", "test", "check", "bench", "faults", "clean"]


def test_the_image_is_installed_as_the_makefile_installs() -> None:
    (install,) = (line for line in dockerfile() if "uv pip sync" in line)
    made = makefile().replace("$(IN)", ".venv/bin").replace("requirements-dev", "requirements")
    for step in install.removeprefix("RUN ").split(" && "):
        if " -m venv " not in step:
            assert step.strip() in made


def test_every_package_of_an_image_or_environment_is_pinned_by_hash() -> None:
    for name in ("requirements.lock", "requirements-dev.lock", "requirements-uv.lock"):
        lock = re.sub(r"\\\n\s*", " ", (ROOT / name).read_text())
        packages = [line for line in lock.splitlines() if re.match(r"[a-z0-9]", line)]
        assert packages
        assert all(re.match(r"[\w.-]+==\S+ .*--hash=sha256:", line) for line in packages)


def test_the_image_collects_the_files_of_production(tmp_path: Path) -> None:
    (line,) = (line for line in dockerfile() if "collectstatic" in line)
    given = dict(word.split("=", 1) for word in shlex.split(line) if re.match(r"[A-Z_]+=", word))
    (settings,) = (line for line in dockerfile() if line.startswith("ENV "))
    given |= dict(word.split("=", 1) for word in shlex.split(settings)[1:] if "PATH" not in word)

    done = subprocess.run(
        [sys.executable, "manage.py", "collectstatic", "--no-input", "--dry-run"],
        cwd=ROOT,
        env=_bare() | {name: value for name, value in given.items() if "MULTIPROC" not in name},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "static files copied" in done.stdout


def test_the_image_holds_what_it_runs_and_not_more() -> None:
    copied = {line.split()[1] for line in dockerfile() if re.match(r"COPY [^-]", line)}
    assert {"portal", "bindings", "providers", "templates", "docs/help", "manage.py"} <= copied
    assert not copied & {".", "tests", "secrets", ".env", ".local"}
    assert [line for line in dockerfile() if line.startswith("USER ")] == ["USER mooring"]


def test_every_process_of_the_product_has_its_service(compose: dict[str, Any]) -> None:
    assert OURS | {"postgres", "redis"} == set(compose["services"])
    for name in NAMES:
        command = compose["services"][f"worker-{name}"]["command"]
        assert command[command.index("--queues") + 1] == name
    assert set(QUEUES.values()) <= set(NAMES)


def test_every_service_says_how_it_is(compose: dict[str, Any]) -> None:
    for name, service in compose["services"].items():
        inherited = name in {"web", "git"}  # the image's own check
        assert inherited or service["healthcheck"].get("test") or name in {"migrate", "beat"}


def test_secrets_are_files_and_each_is_declared(compose: dict[str, Any]) -> None:
    known = _variables()
    for name in OURS - {"sandbox"}:
        service = compose["services"][name]
        files = {key: value for key, value in service["environment"].items() if "_FILE" in key}
        assert {key.removesuffix("_FILE") for key in service["environment"]} <= known
        assert {value.rpartition("/")[2] for value in files.values()} == set(service["secrets"])
        assert set(service["secrets"]) <= set(compose["secrets"])


def test_only_migrations_get_the_owner_s_address(compose: dict[str, Any]) -> None:
    services = compose["services"].items()
    holders = {name for name, one in services if "owner_url" in one.get("secrets", [])}
    assert holders == {"migrate", "postgres"}


def test_processes_of_ours_may_not_write_or_gain_rights(compose: dict[str, Any]) -> None:
    for name in OURS:
        service = compose["services"][name]
        assert service["read_only"]
        assert service["cap_drop"] == ["ALL"]
        assert service["ulimits"] == {"core": 0}


def test_the_first_start_makes_the_roles_of_the_embedded_server(
    compose: dict[str, Any], tmp_path: Path
) -> None:
    secrets = {"login_url": "test-login-word", "owner_url": "test-owner-word"}
    for name, word in secrets.items():
        role = name.removesuffix("_url")
        (tmp_path / name).write_text(f"postgres://mooring_{role}:{word}@postgres:5432/mooring\n")
    script = compose["configs"]["first_start"]["content"].replace("$$", "$")
    script = script.replace("/run/secrets", str(tmp_path))
    script = script.replace("/srv/roles.sql", str(ROOT / compose["configs"]["roles"]["file"]))

    with embedded.services(frozenset({"DATABASE_URL"}), tmp_path / "services") as servers:
        server = servers["postgres"]
        assert isinstance(server, Postgres)
        with server.connect("postgres") as session:
            session.execute("DROP DATABASE mooring")
        _run_first_start(script, server)
        with server.connect() as session:
            found = session.execute(
                "SELECT rolname, rolpassword LIKE 'SCRAM-%' FROM pg_authid"
                " WHERE rolname LIKE 'mooring%' AND rolpassword IS NOT NULL ORDER BY rolname"
            ).fetchall()
            owner = session.execute(
                "SELECT pg_get_userbyid(datdba), has_database_privilege('public', oid, 'CONNECT')"
                " FROM pg_database WHERE datname = 'mooring'"
            ).fetchone()

    embedded.remove(tmp_path / "services")
    assert found == [("mooring_login", True), ("mooring_owner", True)]
    assert owner == ("mooring_owner", False)


def test_the_build_server_forbids_skips() -> None:
    script = (ROOT / ".ci" / "run").read_text()
    assert os.access(ROOT / ".ci" / "run", os.X_OK)
    assert "export MOORING_FORBID_SKIPS=1" in script
    assert script.splitlines()[-1] == "exec make --no-print-directory test"
    assert subprocess.run(["bash", "-n", str(ROOT / ".ci" / "run")], check=False).returncode == 0


def _run_first_start(script: str, server: Postgres) -> None:
    assert server.child is not None
    programs = Path(str(server.child.args[0])).parent  # type: ignore[index]  # a list: ours
    done = subprocess.run(
        ["bash", "-c", script],
        env={"PATH": f"{programs}:/usr/bin:/bin", "PGHOST": str(server.place.sockets)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def _bare() -> dict[str, str]:
    ours = ("MOORING_", "DATABASE_URL", "REDIS_URL", "CELERY_")
    return {name: value for name, value in os.environ.items() if not name.startswith(ours)}


def _variables() -> set[str]:
    source = Path(env.__file__).read_text()
    return set(re.findall(r'"((?:MOORING|DATABASE|REDIS|CELERY)_[A-Z_]+)"', source))
