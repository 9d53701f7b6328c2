"""The second wall: PostgreSQL itself holds tenants apart, whatever the code above forgets."""

from __future__ import annotations

import random
import threading
from typing import Any

import psycopg
import pytest
from django.apps import apps
from django.db import DatabaseError, IntegrityError, ProgrammingError, connection, models
from django.db.models import ForeignKey, OneToOneField

from portal import probes
from portal.ground import rls
from portal.tenants.models import Instance, Membership, ServiceToken, Tenant, User
from tests import factories
from tests.people import Somebody

Superuser = psycopg.Connection[Any]

# Django's own tables and the four that lead to a tenant; everything else needs a scope.
LEADS_TO_TENANT = {"tenants_tenant", "tenants_membership", "tenants_invitation"} | {
    *("tenants_servicetoken", "tenants_user", "tenants_user_groups"),
    "tenants_user_user_permissions",
    "bindings_preference",  # a person's, in all their tenants
}
# A host is an operator's or a tenant's, by a column of another name and policies of its own; the
# schedule holds neither tenant nor secret.
OTHER_WAYS = {"bindings_codehost", "bindings_schedule"}
# Looked up before the tenant is known, by 256 random bits or a name people choose.
GLOBALLY_UNIQUE = {("digest",), ("slug",), ("email",)}

OURS = [
    model
    for label in ("tenants", "bindings")
    for model in apps.get_app_config(label).get_models(include_auto_created=True)
]
OF_TENANTS = [m for m in OURS if any(f.attname == "tenant_id" for f in m._meta.concrete_fields)]


def named(many: list[type[models.Model]]) -> list[str]:
    return [model._meta.db_table for model in many]


def read(table: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT count(*) FROM {table}")


def test_there_are_tables_to_judge() -> None:
    assert len(OF_TENANTS) > 10


@pytest.mark.parametrize("model", OURS, ids=named(OURS))
def test_without_a_scope_no_table_of_ours_opens(db: None, model: type[models.Model]) -> None:
    table = model._meta.db_table
    if table in LEADS_TO_TENANT:
        read(table)
    else:
        with pytest.raises(ProgrammingError, match="permission denied"):
            read(table)


@pytest.mark.parametrize("model", OF_TENANTS, ids=named(OF_TENANTS))
def test_row_security_is_on_forced_and_has_a_policy(
    superuser: Superuser, model: type[models.Model]
) -> None:
    row = superuser.execute(
        "SELECT c.relrowsecurity, c.relforcerowsecurity, p.qual, p.with_check"
        " FROM pg_class c JOIN pg_policies p ON p.tablename = c.relname"
        " WHERE c.relname = %s AND 'mooring_app' = ANY (p.roles)",
        [model._meta.db_table],
    ).fetchone()
    assert row is not None
    enabled, forced, using, check = row
    assert enabled
    assert forced
    assert "app.tenant" in using
    assert using == check


def test_every_table_is_a_tenants_or_says_why_not() -> None:
    without = set(named(OURS)) - set(named(OF_TENANTS))
    assert without == OTHER_WAYS | {
        *("tenants_tenant", "tenants_user", "tenants_user_groups"),
        *("tenants_user_user_permissions", "bindings_preference"),
    }


def test_no_table_of_a_tenant_is_open(db: None) -> None:
    assert probes.row_security() == ""


def test_a_table_that_lost_its_security_is_named(superuser: Superuser) -> None:
    superuser.execute("ALTER TABLE tenants_event NO FORCE ROW LEVEL SECURITY")
    try:
        assert probes.row_security() == "Tables without row security: tenants_event."
    finally:
        superuser.execute("ALTER TABLE tenants_event FORCE ROW LEVEL SECURITY")


def test_keys_between_tenants_tables_hold_the_tenant(superuser: Superuser) -> None:
    """Row security does not guard foreign keys; composite ones do (security.md 7)."""
    held = set(
        superuser.execute(
            "SELECT r.relname, a.attname FROM pg_constraint k"
            " JOIN pg_class r ON r.oid = k.conrelid"
            " JOIN pg_attribute t ON t.attrelid = r.oid AND t.attnum = k.conkey[1]"
            " JOIN pg_attribute a ON a.attrelid = r.oid AND a.attnum = k.conkey[2]"
            " WHERE k.contype = 'f' AND cardinality(k.conkey) = 2 AND t.attname = 'tenant_id'"
        )
    )
    wanted = {
        (model._meta.db_table, field.column)
        for model in OF_TENANTS
        for field in model._meta.concrete_fields
        if isinstance(field, ForeignKey | OneToOneField) and field.related_model in OF_TENANTS
    }
    assert wanted
    assert wanted <= held


def test_nothing_is_unique_across_tenants_that_a_tenant_chooses() -> None:
    for model in OF_TENANTS:
        for unique in _uniques(model):
            own = any(name in ("tenant", "tenant_id", "instance", "binding") for name in unique)
            by_parent = unique[0] in {"hook", "trigger", "endpoint", "event", "host", "id", "user"}
            assert own or by_parent or tuple(unique) in GLOBALLY_UNIQUE, (model, unique)


def _uniques(model: type[models.Model]) -> list[tuple[str, ...]]:
    fields = [(f.name,) for f in model._meta.concrete_fields if f.unique]
    constraints = [
        tuple(c.fields)
        for c in model._meta.constraints
        if isinstance(c, models.UniqueConstraint) and c.fields
    ]
    return [*fields, *constraints]


def test_we_connect_as_a_role_that_owns_nothing(db: None, superuser: Superuser) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT session_user")
        assert cursor.fetchone() == ("mooring_login",)
    owned = superuser.execute(
        "SELECT count(*) FROM pg_class WHERE pg_get_userbyid(relowner) = 'mooring_login'"
    ).fetchone()
    assert owned == (0,)


def test_a_tenant_reads_its_own_rows_only(
    instance: Instance, foreign_instance: Instance, acme: Tenant
) -> None:
    with rls.tenant(acme.pk):
        assert list(Instance.objects.all()) == [instance]
        assert list(Instance.objects.filter(pk=foreign_instance.pk)) == []
        assert Instance.objects.count() == 1


def test_a_tenant_changes_its_own_rows_only(
    instance: Instance, foreign_instance: Instance, acme: Tenant
) -> None:
    with rls.tenant(acme.pk):
        assert Instance.objects.filter(pk=foreign_instance.pk).update(region="x") == 0
        assert Instance.objects.filter(pk=instance.pk).update(region="x") == 1


def test_a_tenant_makes_no_row_for_another(acme: Tenant, globex: Tenant) -> None:
    with pytest.raises(ProgrammingError, match="row-level security"), rls.tenant(acme.pk):
        Instance.objects.create(tenant=globex, name="planted", region="default")


def test_a_tenant_gives_no_row_away(instance: Instance, acme: Tenant, globex: Tenant) -> None:
    with pytest.raises(ProgrammingError, match="row-level security"), rls.tenant(acme.pk):
        Instance.objects.filter(pk=instance.pk).update(tenant=globex)


def test_a_tenant_sees_only_its_own_way_in(
    alice: Somebody, bob: Somebody, mallory: Somebody
) -> None:
    mallory.token("leases:read")
    with rls.tenant(alice.tenant.pk):
        assert set(Membership.objects.values_list("user__name", flat=True)) == {"Alice", "Bob"}
        assert list(Tenant.objects.values_list("slug", flat=True)) == ["acme"]
        assert not ServiceToken.objects.exists()


@pytest.mark.parametrize("column", ["password", "is_staff", "last_login"])
def test_a_tenant_reads_no_more_of_people_than_their_names(alice: Somebody, column: str) -> None:
    with rls.tenant(alice.tenant.pk):
        assert User.objects.filter(pk=alice.person.pk).values_list("name", flat=True).get()
    with pytest.raises(ProgrammingError, match="permission denied"), rls.tenant(alice.tenant.pk):
        list(User.objects.values_list(column))


@pytest.mark.parametrize("table", ["django_session", "account_emailaddress", "mfa_authenticator"])
def test_a_tenant_does_not_read_how_people_sign_in(alice: Somebody, table: str) -> None:
    with pytest.raises(ProgrammingError, match="permission denied"), rls.tenant(alice.tenant.pk):
        read(table)


@pytest.mark.parametrize("table", ["tenants_membership", "tenants_servicetoken", "django_session"])
def test_the_fleet_reads_neither_people_nor_tokens(db: None, table: str) -> None:
    with pytest.raises(ProgrammingError, match="permission denied"), rls.fleet("test"):
        read(table)


def test_a_related_row_of_another_tenant_stays_out_of_reach(
    instance: Instance, foreign_instance: Instance, acme: Tenant
) -> None:
    with rls.tenant(acme.pk):
        joined = Tenant.objects.filter(pk=foreign_instance.tenant_id)
        assert not joined.exists()
        assert Instance.objects.select_related("tenant").get().tenant == acme


def test_the_tenant_of_one_transaction_is_gone_in_the_next(
    instance: Instance, foreign_instance: Instance
) -> None:
    """The measurement of security.md 7 in small: pooled connection, random rollbacks."""
    dice = random.Random(7)
    foreign = 0
    for _ in range(300):
        own = dice.choice([instance, foreign_instance])
        try:
            with rls.tenant(own.tenant_id):
                foreign += Instance.objects.exclude(pk=own.pk).count()
                if dice.random() < 0.3:
                    raise KeyError
        except KeyError:
            assert rls.current() is None
    assert foreign == 0
    with pytest.raises(ProgrammingError):
        read("tenants_instance")


def test_a_setting_made_by_hand_opens_nothing(acme: Tenant, instance: Instance) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('app.tenant', %s, false)", [str(acme.pk)])
        with pytest.raises(ProgrammingError, match="permission denied"):
            cursor.execute("SELECT name FROM tenants_instance")
        cursor.execute("SELECT set_config('app.tenant', '', false)")


def test_one_tenants_scope_does_not_open_anothers(acme: Tenant, globex: Tenant) -> None:
    with rls.tenant(acme.pk):
        with rls.tenant(acme.pk):
            assert rls.current() == str(acme.pk)
        with pytest.raises(rls.WrongScope), rls.tenant(globex.pk):
            pass
        with pytest.raises(rls.WrongScope), rls.fleet("test"):
            pass
        with pytest.raises(rls.WrongScope), rls.alone(acme.pk):
            pass


def test_a_step_that_commits_by_itself_has_committed(acme: Tenant, superuser: Superuser) -> None:
    with rls.alone(acme.pk):
        Instance.objects.create(tenant=acme, name="committed", region="default")
    assert superuser.execute("SELECT name FROM tenants_instance").fetchall() == [("committed",)]


def test_an_attempt_that_fails_leaves_the_transaction_whole(
    acme: Tenant, instance: Instance
) -> None:
    with rls.tenant(acme.pk):
        with pytest.raises(IntegrityError), rls.attempt():
            Instance.objects.create(tenant=acme, name=instance.name, region="default")
        Instance.objects.create(tenant=acme, name="another", region="default")
        assert Instance.objects.count() == 2


def test_the_last_owner_stays_even_against_the_code(alice: Somebody, acme: Tenant) -> None:
    with pytest.raises(DatabaseError, match="at least one owner"), rls.tenant(acme.pk):
        Membership.objects.of(acme).filter(user=alice.person).update(role="viewer")
    assert Membership.objects.get(user=alice.person).role == "owner"


def test_a_tenant_deletes_no_member_and_no_token(alice: Somebody, bob: Somebody) -> None:
    for rows in (Membership.objects.filter(user=bob.person), ServiceToken.objects.all()):
        with (
            pytest.raises(ProgrammingError, match="permission denied"),
            rls.tenant(alice.tenant.pk),
        ):
            rows._raw_delete(rows.db)


def test_names_are_unique_within_a_tenant_only(acme: Tenant, globex: Tenant) -> None:
    factories.instance(acme, "same-name")
    factories.instance(globex, "same-name")
    with pytest.raises(IntegrityError):
        factories.instance(acme, "same-name")


def test_a_transaction_of_any_kind_is_open(acme: Tenant) -> None:
    assert not rls.is_open()
    for scope in (rls.tenant(acme.pk), rls.fleet("test"), rls.login(), rls.attempt()):
        with scope:
            assert rls.is_open()
    with rls.only_one("a test") as mine:
        assert (mine, rls.is_open()) == (True, False)


def test_the_fleets_scope_is_joined_by_the_fleet_alone(acme: Tenant) -> None:
    with rls.fleet("outer"):
        with rls.fleet("inner"):
            assert rls.current() == "fleet"
        with pytest.raises(rls.WrongScope), rls.tenant(acme.pk):
            pass
        with pytest.raises(rls.WrongScope), rls.login():
            pass
        assert rls.current() == "fleet"
    assert rls.current() is None


def test_a_scope_inside_the_logins_gives_the_login_back(acme: Tenant, instance: Instance) -> None:
    with rls.login():
        with rls.tenant(acme.pk):
            assert Instance.objects.count() == 1
        assert Tenant.objects.filter(pk=acme.pk).exists()
        with pytest.raises(ProgrammingError, match="permission denied"), rls.attempt():
            read("tenants_instance")
        with pytest.raises(ZeroDivisionError), rls.tenant(acme.pk):
            raise ZeroDivisionError
        assert Tenant.objects.filter(pk=acme.pk).exists()


def test_only_one_of_two_is_let_in(db: None) -> None:
    found: list[bool] = []

    def second() -> None:
        try:
            with rls.only_one("the same") as mine:
                found.append(mine)
            with rls.only_one("another") as mine:
                found.append(mine)
        finally:
            connection.close()

    with rls.only_one("the same") as mine:
        thread = threading.Thread(target=second)
        thread.start()
        thread.join()
    assert (mine, found) == (True, [False, True])
    with rls.only_one("the same") as again:
        assert again


def test_what_is_to_follow_follows_the_commit(acme: Tenant) -> None:
    done: list[str] = []
    with rls.tenant(acme.pk):
        rls.after(lambda: done.append("inner"))
        assert done == []
    assert done == ["inner"]

    def undone() -> None:
        with rls.tenant(acme.pk):
            rls.after(lambda: done.append("never"))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        undone()
    rls.after(lambda: done.append("at once"))
    assert done == ["inner", "at once"]
