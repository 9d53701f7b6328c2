"""Health, figures, and the configuration check: what they say, and what they do not."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from portal import checks, probes
from portal.ground import metrics
from portal.tenants.models import Instance, User
from tests.bindings.api import rows
from tests.people import Somebody

Superuser = psycopg.Connection[Any]
FAMILIES = {
    *("checks_total", "provider_requests_total", "provider_request_seconds", "refreshes_total"),
    *("deliveries_total", "delivery_ingest_seconds", "events_total", "outgoing_attempts_total"),
    *("git_proxy_bytes_total", "http_requests_total", "http_request_seconds"),
    *("bindings", "credential_expiry_days", "check_due_lag_seconds", "mass_guard_active"),
    "key_rows",
}


def test_alive_touches_nothing(db: None, nobody: Client) -> None:
    with CaptureQueriesContext(connection) as queries:
        answer = nobody.get("/healthz")
    assert (answer.status_code, answer.content) == (200, b"ok")
    assert not queries.captured_queries


def test_a_server_that_can_work_is_ready(nobody: Client) -> None:
    answer = nobody.get("/readyz")
    found = answer.json()
    assert (answer.status_code, found["ready"]) == (200, True)
    assert list(found["checks"]) == [
        *("database", "migrations", "row_security", "keys", "queue", "worker"),
    ]
    needed = ("database", "migrations", "row_security", "keys", "queue")
    assert {found["checks"][name] for name in needed} == {"ok"}


def test_a_missing_worker_is_said_and_does_not_stop_pages(nobody: Client) -> None:
    answer = nobody.get("/readyz")
    assert answer.status_code == 200
    assert answer.json()["checks"]["worker"] == "No worker answers."


def test_a_migration_that_did_not_run_stops_a_server(nobody: Client, superuser: Superuser) -> None:
    row = ("tenants", "0002_security")
    superuser.execute("DELETE FROM django_migrations WHERE app = %s AND name = %s", row)
    try:
        answer = nobody.get("/readyz")
    finally:
        superuser.execute(
            "INSERT INTO django_migrations (app, name, applied) VALUES (%s, %s, now())", row
        )
    assert answer.status_code == 503
    assert answer.json()["checks"]["migrations"] == "Migrations to run: 1."


def test_an_open_table_stops_a_server(nobody: Client, superuser: Superuser) -> None:
    superuser.execute("ALTER TABLE tenants_event DISABLE ROW LEVEL SECURITY")
    try:
        answer = nobody.get("/readyz")
    finally:
        superuser.execute("ALTER TABLE tenants_event ENABLE ROW LEVEL SECURITY")
    assert answer.status_code == 503
    assert answer.json() == {
        "ready": False,
        "checks": answer.json()["checks"]
        | {"row_security": "Tables without row security: tenants_event."},
    }


@pytest.mark.parametrize("power", ["BYPASSRLS", "SUPERUSER", "INHERIT"])
def test_a_role_that_passes_by_row_security_stops_a_server(
    nobody: Client, superuser: Superuser, power: str
) -> None:
    superuser.execute(f"ALTER ROLE mooring_login {power}")
    try:
        answer = nobody.get("/readyz")
    finally:
        superuser.execute(f"ALTER ROLE mooring_login NO{power}")
    assert answer.status_code == 503
    assert "mooring_login" in answer.json()["checks"]["row_security"]


def test_a_role_that_owns_a_table_stops_a_server(superuser: Superuser) -> None:
    superuser.execute("CREATE TABLE public.planted ()")
    superuser.execute("ALTER TABLE public.planted OWNER TO mooring_login")
    try:
        assert probes.row_security() != ""
    finally:
        superuser.execute("DROP TABLE public.planted")


def test_a_lost_key_stops_a_server(nobody: Client, superuser: Superuser) -> None:
    superuser.execute("SET session_replication_role = replica")
    superuser.execute(
        "INSERT INTO bindings_credential (binding_id, tenant_id, generation, access, key_id,"
        " issued_at, quality, fingerprint, token_id, token_name)"
        " VALUES (gen_random_uuid(), gen_random_uuid(), 1, '\\x01', 'lost1', now(), 'unknown',"
        " '', '', '')"
    )
    superuser.execute("SET session_replication_role = origin")
    answer = nobody.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["checks"]["keys"] == "Keys missing from MOORING_KEYS: lost1."


def test_a_key_ring_that_cannot_be_read_is_said_without_the_keys() -> None:
    ask = "import django; django.setup(); from portal import probes; print(probes.keys())"
    told = subprocess.run(
        [sys.executable, "-c", ask],
        env=os.environ
        | {"MOORING_KEYS": "test1:tooshort", "DJANGO_SETTINGS_MODULE": "portal.settings"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert told.stdout == "MOORING_KEYS cannot be used.\n"


def test_without_a_queue_pages_still_work(nobody: Client, settings: Any) -> None:
    from portal.celery import app

    before = app.conf.broker_url
    app.conf.broker_url = "redis+socket:///nowhere/redis.sock"
    try:
        with app.connection_for_write() as broker:
            assert "nowhere" in broker.as_uri()
        assert probes.queue() != ""
    finally:
        app.conf.broker_url = before


def test_health_says_no_address_and_no_secret(nobody: Client) -> None:
    page = nobody.get("/readyz").content.decode()
    assert "/" not in page
    assert "key of exactly" not in page


@pytest.mark.parametrize("given", ["", "Bearer ", "Bearer wrong", "test-metrics-token"])
def test_figures_are_nobodys_business(nobody: Client, settings: Any, given: str) -> None:
    settings.MOORING_METRICS_TOKEN = "test-metrics-token"
    answer = nobody.get("/metrics", headers={"Authorization": given} if given else {})
    assert answer.status_code == 404


def test_without_a_token_set_there_are_no_figures(nobody: Client) -> None:
    assert nobody.get("/metrics", headers={"Authorization": "Bearer "}).status_code == 404


def test_a_tenants_person_reads_no_figures(alice: Somebody, settings: Any) -> None:
    settings.MOORING_METRICS_TOKEN = "test-metrics-token"
    assert alice.client.get("/metrics").status_code == 404


@pytest.fixture
def figures(nobody: Client, settings: Any) -> str:
    settings.MOORING_METRICS_TOKEN = "test-metrics-token"
    nobody.get("/t/acme/tokens/")
    answer = nobody.get("/metrics", headers={"Authorization": "Bearer test-metrics-token"})
    assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    return answer.content.decode()


def test_every_family_is_there_once(figures: str) -> None:
    told = re.findall(r"^# TYPE mooring_(\w+) ", figures, re.MULTILINE)
    for family in FAMILIES:
        assert told.count(family) == 1, family


def test_requests_are_counted_by_route_never_by_address(figures: str) -> None:
    assert 'route="t/<slug:tenant>/tokens/"' in figures
    assert "acme" not in figures


def test_gauges_are_read_from_the_tables(instance: Instance, nobody: Client) -> None:
    soon = timezone.now() + timedelta(days=5)
    rows.binding(instance, "gitlab", status="expiring", expires_at=soon, quality="exact")
    rows.binding(instance, "gitea", status="revoked")
    told = metrics.text().decode()
    assert 'mooring_bindings{provider="gitlab",state="expiring"} 1.0' in told
    assert 'mooring_bindings{provider="gitea",state="revoked"} 1.0' in told
    ends = r'mooring_credential_expiry_days_bucket\{le="(\w+)",provider="gitlab"\} ([\d.]+)'
    below = {le: float(n) for le, n in re.findall(ends, told)}
    assert (below["3"], below["7"], below["365"]) == (0, 1, 1)


def test_a_gauge_that_nobody_named_is_a_mistake() -> None:
    with pytest.raises(KeyError):
        metrics.gauge("made_up", {})


def test_the_deploy_check_is_content_with_row_security_and_keys(db: None) -> None:
    assert checks.held_apart() == []
    assert checks.sealed() == []


@pytest.mark.parametrize(
    ("changed", "found"),
    [
        ({}, {"mooring.E003"}),
        ({"MOORING_URL": "https://portal.example"}, {"mooring.W001"}),
        ({"MOORING_URL": "https://portal.example", "MOORING_TRUSTED_PROXIES": 1}, set()),
        ({"MOORING_METRICS_TOKEN": "short"}, {"mooring.E003", "mooring.E004"}),
        ({"MOORING_METRICS_TOKEN": "long enough for a test"}, {"mooring.E003"}),
    ],
)
def test_the_deploy_check_names_weak_settings(
    settings: Any, changed: dict[str, Any], found: set[str]
) -> None:
    for name, value in changed.items():
        setattr(settings, name, value)
    assert {message.id for message in checks.known_from_outside()} == found


def test_the_deploy_check_runs_them(db: None) -> None:
    with pytest.raises(CommandError, match=r"mooring\.E003"):
        call_command("check", "--deploy", stdout=io.StringIO(), stderr=io.StringIO())


def link_for(email: str) -> str:
    out = io.StringIO()
    call_command("create_operator", email, stdout=out)
    return out.getvalue().strip()


def test_the_first_operator_chooses_a_password_once(nobody: Client) -> None:
    link = link_for("Alice@Example.com")
    assert link.startswith("http://127.0.0.1:8000/accounts/password/reset/key/")
    path = link.removeprefix("http://127.0.0.1:8000")
    form = nobody.get(path, follow=True)
    where = form.redirect_chain[-1][0]
    chosen = {"password1": "a long test password", "password2": "a long test password"}
    assert nobody.post(where, chosen).status_code == 302
    operator = User.objects.get()
    assert (operator.email, operator.is_staff) == ("alice@example.com", True)
    assert operator.check_password("a long test password")
    again = Client().get(path, follow=True)
    assert not again.redirect_chain
    assert 'name="password1"' not in again.content.decode()


def test_a_known_person_becomes_an_operator(alice: Somebody) -> None:
    link_for(alice.person.email)
    alice.person.refresh_from_db()
    assert (alice.person.is_staff, alice.person.is_superuser) == (True, True)
    assert User.objects.count() == 1


def test_an_operator_has_an_address(db: None) -> None:
    with pytest.raises(CommandError):
        link_for("not an address")
