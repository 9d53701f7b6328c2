"""The tables hold what the rules say, whatever the code above forgets."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from django.core import serializers
from django.core.exceptions import ValidationError
from django.db import DatabaseError, IntegrityError
from django.forms import modelform_factory
from django.utils import timezone

from bindings import vault
from bindings.models import Binding, CodeHost, Credential, Ending, Notice, Repository, facts
from bindings.models.fields import SealedField
from bindings.models.repositories import repository_key
from bindings.state import Facts, Reach, State, Status, Why
from bindings.vault import Sealed
from portal.ground import rls
from portal.tenants.models import Instance, Tenant
from providers.types import Expiry, Identity, Method, Quality
from tests.bindings.fleet import host, many
from tests.bindings.sources import GitLab, credential, stored
from tests.people import Somebody


@pytest.fixture
def there(gitlab: GitLab, db: None) -> CodeHost:
    return host(gitlab)


@pytest.fixture
def row(acme: Tenant, there: CodeHost) -> Binding:
    (made,) = many(acme, there, 1)
    return made


def update(binding: Binding, **columns: Any) -> None:
    with rls.tenant(binding.tenant_id):
        Binding.objects.filter(pk=binding.pk).update(**columns)


# -- sealed fields -------------------------------------------------------------------------------


def test_a_sealed_field_takes_what_the_vault_made_and_nothing_else(row: Binding) -> None:
    secret = credential(row)
    for wrong in ("glpat-test-plain-text", b"glpat-test-plain-bytes"):
        secret.access = wrong
        with pytest.raises(ValidationError), rls.tenant(row.tenant_id):
            secret.save()
    field = Credential._meta.get_field("access")
    assert isinstance(field, SealedField)
    assert (field.editable, field.to_python(None)) == (False, None)


def test_a_sealed_field_comes_back_as_a_handle(row: Binding) -> None:
    secret = credential(row)
    assert isinstance(secret.access, Sealed)
    with rls.tenant(row.tenant_id):
        (listed,) = Credential.objects.values_list("access", flat=True)
    assert listed == secret.access
    assert "<sealed>" in repr(secret.__dict__)
    assert str(secret.access.ciphertext) not in repr(secret.__dict__)


def test_a_dump_holds_no_ciphertext(row: Binding, there: CodeHost) -> None:
    there.client_secret = vault.seal("test-client-secret", "here")
    for kind in ("json", "xml", "python"):
        dumped = str(serializers.serialize(kind, [credential(row), there]))
        assert "sealed" not in dumped
        for hidden in (credential(row).access.ciphertext, there.client_secret.ciphertext):
            assert hidden.hex() not in dumped
            assert repr(hidden) not in dumped
    (shown, _) = json.loads(serializers.serialize("json", [credential(row), there]))
    assert shown["fields"]["access"] == ""


def test_no_form_has_a_sealed_field() -> None:
    for model in (Credential, CodeHost):
        fields = modelform_factory(model, fields="__all__").base_fields
        assert not {"access", "refresh", "client_secret", "previous_access"} & set(fields)


def test_a_row_that_does_not_open_harms_no_list(row: Binding, superuser: Any) -> None:
    superuser.execute("UPDATE bindings_credential SET access = 'damaged'")
    with rls.tenant(row.tenant_id):
        (found,) = Credential.objects.of(row.tenant_id)
    assert (repr(found.access), found.access.key_id) == ("<sealed>", "")


# -- bindings ------------------------------------------------------------------------------------


def test_one_live_binding_for_each_instance_and_platform(row: Binding, there: CodeHost) -> None:
    def another(**more: Any) -> Binding:
        facts = {"status": "active", "kind": "token", "account_id": "43", "quality": "never"}
        return Binding(
            tenant_id=row.tenant_id,
            instance_id=row.instance_id,
            host=there,
            provider="gitlab",
            **{**facts, **more},
        )

    with pytest.raises(IntegrityError, match="one_live_binding"), rls.tenant(row.tenant_id):
        another().save(force_insert=True)
    with rls.tenant(row.tenant_id):
        another(unbound_at=timezone.now()).save(force_insert=True)
    update(row, unbound_at=timezone.now())
    with rls.tenant(row.tenant_id):
        another().save(force_insert=True)


@pytest.mark.parametrize(
    "columns",
    [
        {"status": "dead"},
        {"reach": "gone"},
        {"quality": "certain"},
        {"account_id": ""},
        {"quality": "exact", "expires_at": None},
        {"quality": "stated", "expires_at": None},
        {"quality": "never", "expires_at": timezone.now()},
        {"quality": "unknown", "expires_at": timezone.now()},
    ],
)
def test_what_makes_no_sense_is_not_stored(row: Binding, columns: dict[str, Any]) -> None:
    with pytest.raises(IntegrityError):
        update(row, **columns)


def test_a_binding_lives_on_a_host_of_its_own_platform(row: Binding, gitlab: GitLab) -> None:
    other = host(gitlab, "a-github", provider="github", base_url="https://github.example")
    with pytest.raises(IntegrityError, match="binding_host_of_provider"):
        update(row, host_id=other.pk)


def test_a_binding_of_one_tenant_has_no_instance_of_another(
    row: Binding, foreign_instance: Instance
) -> None:
    with pytest.raises(IntegrityError, match="tenant_fk"):
        update(row, instance_id=foreign_instance.pk)


def test_the_one_word_is_the_states(row: Binding) -> None:
    assert row.state is State.HEALTHY
    row.suspicion = 1
    assert row.state is State.DEGRADED
    row.status = "revoked"
    assert row.state is State.REVOKED


def test_an_identity_is_cut_to_what_the_columns_hold(row: Binding) -> None:
    row.take_identity(Identity("i" * 999, "l" * 999, "n" * 999, "u" * 999, bot=True))
    lengths = [
        len(text) for text in (row.account_id, row.account_login, row.account_name, row.account_url)
    ]
    assert lengths == [200, 200, 200, 500]
    row.take_identity(Identity("1", "ann"))
    assert (row.account_name, row.account_url, row.robot) == ("", "", False)


def test_nobody_deletes_a_binding(row: Binding) -> None:
    for scope in (rls.tenant(row.tenant_id), rls.fleet("a test")):
        with pytest.raises(DatabaseError, match="permission denied"), scope:
            Binding.objects.filter(pk=row.pk)._raw_delete("default")


# -- what the fleet may do -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("labels", {"a": "b"}),
        ("mode", "manual"),
        ("account_id", "666"),
        ("tenant_id", uuid4()),
        ("instance_id", uuid4()),
        ("unbound_at", timezone.now()),
        ("bound_by_name", "somebody"),
    ],
)
def test_the_fleet_changes_verdicts_only(row: Binding, column: str, value: Any) -> None:
    with pytest.raises(DatabaseError, match="permission denied"), rls.fleet("a test"):
        Binding.objects.filter(pk=row.pk).update(**{column: value})


def test_the_fleet_makes_no_binding_and_no_credential(row: Binding) -> None:
    with pytest.raises(DatabaseError, match="permission denied"), rls.fleet("a test"):
        Binding.objects.bulk_create([Binding(tenant_id=row.tenant_id, instance_id=row.instance_id)])
    with pytest.raises(DatabaseError, match="permission denied"), rls.fleet("a test"):
        Credential.objects.filter(pk=row.pk).update(generation=9)
    with pytest.raises(DatabaseError, match="permission denied"), rls.fleet("a test"):
        Ending.objects.filter(pk=row.pk).update(attempts=9)


def test_a_tenant_changes_no_operators_host(row: Binding, there: CodeHost) -> None:
    with rls.tenant(row.tenant_id):
        assert CodeHost.objects.filter(pk=there.pk).exists()
        assert CodeHost.objects.filter(pk=there.pk).update(enabled=False) == 0
    with pytest.raises(DatabaseError, match="row-level security"), rls.tenant(row.tenant_id):
        CodeHost.objects.create(
            slug="planted", provider="gitlab", label="x", base_url="x", api_url="x"
        )


def test_a_tenant_sees_no_host_of_another(
    gitlab: GitLab, alice: Somebody, mallory: Somebody, instance: Instance
) -> None:
    own = gitlab.bind(alice.actor, instance).host_id
    with rls.tenant(mallory.tenant.pk):
        assert not CodeHost.objects.filter(pk=own).exists()


# -- the narrow table ----------------------------------------------------------------------------


def test_the_schedule_is_narrow_and_has_one_due_index(
    db: None, superuser: psycopg.Connection[Any]
) -> None:
    columns = superuser.execute(
        "SELECT column_name FROM information_schema.columns WHERE table_name = 'bindings_schedule'"
    ).fetchall()
    assert {name for (name,) in columns} == {
        "binding_id",
        "host_id",
        "next_check_at",
        "checked_at",
        "failures",
    }
    indexes = superuser.execute(
        "SELECT indexdef FROM pg_indexes WHERE tablename = 'bindings_schedule'"
    ).fetchall()
    due = [text for (text,) in indexes if "next_check_at" in text]
    assert len(due) == 1
    assert "(host_id, next_check_at) WHERE (next_check_at IS NOT NULL)" in due[0]
    (options,) = superuser.execute(
        "SELECT reloptions FROM pg_class WHERE relname = 'bindings_schedule'"
    ).fetchone() or ([],)
    assert set(options) == {"fillfactor=80", "autovacuum_vacuum_scale_factor=0.02"}


# -- keys and notices ----------------------------------------------------------------------------


def test_a_repository_keeps_its_key_through_everything() -> None:
    one, two, remote = uuid4(), uuid4(), "1077"
    assert repository_key(one, two, remote) == repository_key(one, two, remote)
    keys = {repository_key(a, b, c) for a in (one, two) for b in (one, two) for c in ("1", "11")}
    assert len(keys) == 8


def test_a_notice_and_a_repository_exist_once(row: Binding, there: CodeHost) -> None:
    def notice() -> Notice:
        return Notice(tenant_id=row.tenant_id, binding=row, kind="expiring", step=7)

    def repository() -> Repository:
        return Repository(
            tenant_id=row.tenant_id,
            instance_id=row.instance_id,
            host=there,
            remote_id="1",
            path="a/b",
            clone_url="x",
        )

    for make in (notice, repository):
        with rls.tenant(row.tenant_id):
            make().save(force_insert=True)
        with pytest.raises(IntegrityError), rls.tenant(row.tenant_id):
            make().save(force_insert=True)


# -- facts ---------------------------------------------------------------------------------------


def test_facts_survive_the_way_through_the_columns(row: Binding) -> None:
    now = timezone.now()
    known = Facts(
        status=Status.SUSPENDED,
        reach=Reach.RATE_LIMITED,
        kind=Method.TOKEN,
        account_id="42",
        since=now,
        why=Why.OPERATOR,
        before=Status.EXPIRING,
        before_why=Why.ENDS_SOON,
        reach_since=now,
        reach_why="limit",
        reach_until=now + timedelta(minutes=1),
        suspicion=2,
        refused_at=now,
        first_failure_at=now,
        end=Expiry(now + timedelta(days=3), Quality.STATED),
    )
    facts.apply(row, known)
    with rls.tenant(row.tenant_id):
        row.save(update_fields=[*facts.COLUMNS])
    assert facts.of(stored(row)) == known


def test_every_column_of_a_verdict_is_the_fleets_to_write(
    row: Binding, superuser: psycopg.Connection[Any]
) -> None:
    granted = superuser.execute(
        "SELECT column_name FROM information_schema.column_privileges"
        " WHERE grantee = 'mooring_fleet' AND table_name = 'bindings_binding'"
        " AND privilege_type = 'UPDATE'"
    ).fetchall()
    assert {*facts.COLUMNS, "proofs"} <= {name for (name,) in granted}
    assert str(row) == "build-bot on gitlab"
