"""Many bindings, quickly: rows as a bind would leave them, by plain statements of the owner."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime

import psycopg
from django.conf import settings

from bindings import vault
from portal.ground import ids

BATCH = 5000


def seed(base_url: str, count: int, *, due: int) -> uuid.UUID:
    """One host with `count` bindings, `due` of which are due now; the host's key."""
    where = settings.DATABASES["owner"]
    host, tenant = ids.uuid7(), ids.uuid7()
    with psycopg.connect(
        host=where["HOST"], port=where["PORT"] or None, user=where["USER"], dbname=where["NAME"]
    ) as session:
        for table in ("binding", "credential", "schedule", "codehost", "check"):
            session.execute(f"ALTER TABLE bindings_{table} NO FORCE ROW LEVEL SECURITY")
        for table in ("tenant", "instance"):
            session.execute(f"ALTER TABLE tenants_{table} NO FORCE ROW LEVEL SECURITY")
        session.execute("TRUNCATE bindings_codehost, tenants_tenant CASCADE")
        _one_host(session, host, tenant, base_url)
        for start in range(0, count, BATCH):
            _batch(session, host, tenant, min(BATCH, count - start), max(0, due - start))
        session.commit()
        for table in ("binding", "credential", "schedule", "codehost", "check"):
            if table != "schedule":
                session.execute(f"ALTER TABLE bindings_{table} FORCE ROW LEVEL SECURITY")
        for table in ("tenant", "instance"):
            session.execute(f"ALTER TABLE tenants_{table} FORCE ROW LEVEL SECURITY")
        session.commit()
        session.autocommit = True
        session.execute("ANALYZE bindings_schedule")
        session.execute("ANALYZE bindings_binding")
        session.execute("ANALYZE bindings_credential")
    return host


def make_due(count: int) -> None:
    """Make `count` bindings due again."""
    where = settings.DATABASES["owner"]
    with psycopg.connect(
        host=where["HOST"], port=where["PORT"] or None, user=where["USER"], dbname=where["NAME"]
    ) as session:
        session.execute(
            "UPDATE bindings_schedule SET next_check_at = now() - interval '1 minute'"
            " WHERE binding_id IN (SELECT binding_id FROM bindings_schedule"
            " ORDER BY next_check_at LIMIT %s)",
            [count],
        )
        session.commit()
        session.autocommit = True
        session.execute("VACUUM (ANALYZE) bindings_schedule")


def _one_host(session: psycopg.Connection, host: uuid.UUID, tenant: uuid.UUID, url: str) -> None:
    now = datetime.now(UTC)
    session.execute(
        "INSERT INTO tenants_tenant (id, slug, name, created_at) VALUES (%s, 'bench', 'Bench', %s)",
        [tenant, now],
    )
    session.execute(
        "INSERT INTO bindings_codehost (id, slug, provider, label, base_url, api_url, client_id,"
        " scopes, ca_bundle, private_cidrs, proxy_url, per_minute, at_once, profile, offered,"
        " enabled, weather, failures, created_at) VALUES (%s, 'bench', 'github', 'Bench', %s, %s,"
        " '', '{}', '', '{}', '', 10000000, 400, '', true, true, 'ok', 0, %s)",
        [host, url, url, now],
    )


def _batch(
    session: psycopg.Connection, host: uuid.UUID, tenant: uuid.UUID, count: int, due: int
) -> None:
    keys = [ids.uuid7() for _ in range(count)]
    sealed = [
        vault.seal(f"bench-test-token-{key.hex}", vault.place("credential.access", key)).ciphertext
        for key in keys
    ]
    instances = [uuid.uuid4() for _ in keys]
    names = [f"i-{key.hex[-12:]}" for key in instances]
    session.execute(
        "INSERT INTO tenants_instance (id, tenant_id, created_at, name, display_name, region,"
        " labels, updated_at) SELECT i, %s, now(), n, '', 'default', '{}', now()"
        " FROM unnest(%s::uuid[], %s::text[]) AS r(i, n)",
        [tenant, instances, names],
    )
    session.execute(
        "INSERT INTO bindings_binding (id, tenant_id, created_at, instance_id, host_id, provider,"
        " kind, mode, labels, auto_rotate, account_id, account_login, account_name, account_url,"
        " robot, username, clone_username, organization, status, status_since, why, why_facts,"
        " before, before_why, reach, reach_since, reach_why, reach_facts, suspicion, quality,"
        " stated_by, renews, proofs, version, bound_by_name, bound_at, unbound_by_name)"
        " SELECT b, %s, now(), i, %s, 'github', 'oauth', 'full', '{}', false, '1001', 'octavia',"
        " 'Octavia', '', false, 'octavia', '', '', 'active', now(), '', '{}', '', '', 'ok', now(),"
        " '', '{}', 0, 'idle', '', false, '{}', 1, '', now(), ''"
        " FROM unnest(%s::uuid[], %s::uuid[]) AS r(b, i)",
        [tenant, host, keys, instances],
    )
    session.execute(
        "INSERT INTO bindings_credential (binding_id, tenant_id, generation, access, key_id,"
        " scopes, issued_at, quality, fingerprint, token_id, token_name)"
        " SELECT b, %s, 1, a, 'bench1', '{repo}', now(), 'idle', '000000000000', '', ''"
        " FROM unnest(%s::uuid[], %s::bytea[]) AS r(b, a)",
        [tenant, keys, sealed],
    )
    session.execute(
        "INSERT INTO bindings_schedule (binding_id, host_id, next_check_at, failures)"
        " SELECT b, %s, CASE WHEN n <= %s THEN now() - interval '1 minute'"
        " ELSE now() + interval '1 day' * random() + interval '1 hour' END, 0"
        " FROM unnest(%s::uuid[]) WITH ORDINALITY AS r(b, n)",
        [host, due, keys],
    )
