"""Many bindings, quickly: rows as a bind leaves them, by plain statements of the superuser."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any

import psycopg

from bindings import vault
from portal.ground import ids

Superuser = psycopg.Connection[Any]

_TENANT = "INSERT INTO tenants_tenant (id, slug, name, created_at) VALUES (%s, %s, %s, now())"
_HOST = """
INSERT INTO bindings_codehost (id, slug, provider, label, base_url, api_url, client_id, scopes,
  ca_bundle, private_cidrs, proxy_url, per_minute, at_once, profile, offered, enabled, weather,
  failures, created_at)
VALUES (%(id)s, %(slug)s, 'github', 'Many', %(url)s, %(url)s, '', '{}', '', '{}', '', 1000000,
  %(at_once)s, '', true, true, 'ok', 0, now())
"""
_INSTANCES = """
INSERT INTO tenants_instance (id, tenant_id, created_at, name, display_name, region, labels,
  updated_at)
SELECT i, t, now(), 'i-' || right(i::text, 12), '', 'default', '{}', now()
FROM unnest(%(instances)s::uuid[], %(tenants)s::uuid[]) AS r (i, t)
"""
_BINDINGS = """
INSERT INTO bindings_binding (id, tenant_id, created_at, instance_id, host_id, provider, kind, mode,
  labels, auto_rotate, account_id, account_login, account_name, account_url, robot, username,
  clone_username, organization, status, status_since, why, why_facts, before, before_why, reach,
  reach_since, reach_why, reach_facts, suspicion, expires_at, quality, stated_by, renews, proofs,
  version, bound_by_name, bound_at, unbound_by_name)
SELECT b, t, now(), i, h, 'github', 'oauth', 'full', '{}', false, '1001', 'octavia', 'Octavia', '',
  false, 'octavia', '', '', 'active', now(), '', '{}', '', '', 'ok', now(), '', '{}', 0,
  CASE WHEN n %% 2 = 0 THEN now() + (40 + n %% 400) * interval '1 day' END,
  CASE WHEN n %% 2 = 0 THEN 'exact' ELSE 'idle' END, '', false, '{}', 1, '', now(), ''
FROM unnest(%(bindings)s::uuid[], %(instances)s::uuid[], %(tenants)s::uuid[], %(hosts)s::uuid[])
  WITH ORDINALITY AS r (b, i, t, h, n)
"""
_CREDENTIALS = """
INSERT INTO bindings_credential (binding_id, tenant_id, generation, access, key_id, scopes,
  issued_at, quality, fingerprint, token_id, token_name)
SELECT b, t, 1, a, 'test1', '{repo,admin:repo_hook,read:org}', now(), 'idle', '000000000000', '', ''
FROM unnest(%(bindings)s::uuid[], %(tenants)s::uuid[], %(tokens)s::bytea[]) AS r (b, t, a)
"""
_SCHEDULE = """
INSERT INTO bindings_schedule (binding_id, host_id, next_check_at, checked_at, failures)
SELECT b, h, CASE WHEN n <= %(due)s THEN now() - n * interval '1 ms' - interval '1 minute'
                  ELSE now() + random() * interval '1 day' + interval '1 hour' END, now(), 0
FROM unnest(%(bindings)s::uuid[], %(hosts)s::uuid[]) WITH ORDINALITY AS r (b, h, n)
"""


@dataclass(frozen=True)
class Many:
    """What was made: keys, spread evenly, in the order in which they fall due."""

    hosts: list[uuid.UUID]
    tenants: list[uuid.UUID]
    bindings: list[uuid.UUID]


def make(
    superuser: Superuser,
    count: int,
    *,
    due: int,
    hosts: int = 1,
    tenants: int = 1,
    url: str = "https://github.example",
    at_once: int | None = None,
) -> Many:
    """`count` bindings of which `due` are due now; each host is a path below `url`."""
    host_keys = [ids.uuid7() for _ in range(hosts)]
    tenant_keys = [ids.uuid7() for _ in range(tenants)]
    keys = [ids.uuid7() for _ in range(count)]
    for n, key in enumerate(tenant_keys):
        superuser.execute(_TENANT, [key, f"many-{n}", f"Many {n}"])
    for n, key in enumerate(host_keys):
        place = {"slug": f"many-{n}", "url": f"{url}/{n}", "at_once": at_once}
        superuser.execute(_HOST, {"id": key, **place})
    given = {
        "bindings": keys,
        "instances": [uuid.uuid4() for _ in keys],
        "tenants": [tenant_keys[n % tenants] for n in range(count)],
        "hosts": [host_keys[n % hosts] for n in range(count)],
        "tokens": [_sealed(key) for key in keys],
        "due": due,
    }
    for statement in (_INSTANCES, _BINDINGS, _CREDENTIALS, _SCHEDULE):
        superuser.execute(statement, given)
    superuser.execute("ANALYZE bindings_schedule, bindings_binding, bindings_credential")
    superuser.execute("ANALYZE tenants_instance, bindings_codehost")
    return Many(host_keys, tenant_keys, keys)


def _sealed(key: uuid.UUID) -> bytes:
    return vault.seal(f"test-token-{key.hex}", vault.place("credential.access", key)).ciphertext
