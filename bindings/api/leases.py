"""Clone credentials over the API: lend, list, look at, end (api.md 3.9)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal, TypedDict

from django.db.models import QuerySet

from bindings.api import shapes
from bindings.api.endpoint import BindingEndpoint, Call, Endpoint
from bindings.models import Binding, Lease, Repository
from bindings.models.leases import LeaseKind
from bindings.services.clone import leases
from portal.ground import ids
from portal.ground.rest import pagination, parameters
from portal.ground.rest.calls import Answer, listed, nothing, one, operation
from portal.ground.rest.fields import Body, Choice, Number, Text
from portal.ground.rest.shapes import Uri, identity, open_words
from portal.tenants import access

_STATUS = ("active", "expired", "revoked", "ended")
_OWN = ("409 X-STATE-01", "502 *-API-* *-NET-02", "503 *-RATE-01", "504 *-NET-01")
_LONGEST_PATH = 1000
_PASSING = ("status", "uses", "bytes", "last_used_at")


class LeaseBody(Body):
    """`repository`: its id or its path."""

    repository = Text(max_length=_LONGEST_PATH)
    ttl = Number(min_value=leases.SHORTEST, max_value=leases.LONGEST, allow_null=True, default=None)
    kind = Choice(choices=list(LeaseKind.values), default=LeaseKind.PROXIED.value)
    build = Text(max_length=100, allow_blank=True, default="")


class LentRepository(TypedDict):
    id: Annotated[str, identity("rep")]
    path: str


class Lender(TypedDict):
    """Who asked for it."""

    kind: Annotated[str, open_words("user", "token", "operator")]
    id: str
    name: str


class LeaseShape(TypedDict):
    """`username` is null for what a platform minted: it was told once."""

    id: Annotated[str, identity("lse")]
    kind: Literal["proxied", "provider_token"]
    binding: shapes.BindingId
    repository: LentRepository
    url: Uri
    username: str | None
    expires_at: datetime
    status: Literal["active", "expired", "revoked", "ended"]
    build: str
    uses: int
    bytes: int
    last_used_at: datetime | None
    created_at: datetime
    created_by: Lender


class NewLease(LeaseShape):
    """With the password, which is in this answer and nowhere else."""

    password: str


class Lend(BindingEndpoint):
    @operation(
        "Issue a clone credential",
        scope="leases:write",
        body=LeaseBody,
        answers=NewLease,
        status=201,
        located=True,
        reaches_provider=True,
        seldom=True,
        about="`proxied`: through the portal; `provider_token`: where `lease_kinds` has it.",
        codes=(
            "404 *-REPO-02",
            "410 X-GONE-01",
            "422 X-LEASE-01",
            "429 X-LEASE-02",
            *_OWN,
        ),
    )
    def post(self, call: Call, found: Binding) -> Answer:
        asked = call.body
        made = leases.issue(
            actor=call.actor,
            binding=found,
            repository=asked["repository"],
            seconds=asked["ttl"],
            kind=asked["kind"],
            build=asked["build"],
        )
        row = {**_shape(made.lease, call.now), "url": made.url}
        return Answer(
            body={**row, "username": made.username, "password": made.password},
            resource=row,
            passing=_PASSING,
            location=f"/api/v1/leases/{made.lease.public_id}",
            shown_once="password",
        )


class Leases(Endpoint):
    @operation(
        "List clone credentials",
        scope="leases:read",
        answers=LeaseShape,
        lists=True,
        about="Newest first, of the last 30 days.",
        query=(
            parameters.text("binding", "A binding's id."),
            parameters.text("repository", "A repository's id or path.", most=_LONGEST_PATH),
            parameters.choice("status", "How it stands.", _STATUS),
            parameters.text("build", "What the build called itself."),
        ),
    )
    def get(self, call: Call, found: None) -> Answer:
        since = call.now - leases.KEPT
        rows = access.visible(call.actor, _rows().filter(created_at__gt=since))
        page = pagination.page(_asked(rows, call.query, call.now), ["-id"], call.paging)
        return listed([_shape(row, call.now) for row in page.rows], page)


class OneLease(Endpoint):
    def which(self, call: Call) -> Lease:
        since = call.now - leases.KEPT - timedelta(hours=1)
        rows = _rows().filter(created_at__gt=since)
        return access.get(call.actor, rows, call.path["lease"], call.operation.scope)

    @operation("Get a clone credential", scope="leases:read", answers=LeaseShape)
    def get(self, call: Call, found: Lease) -> Answer:
        return one(_shape(found, call.now), passing=_PASSING)

    @operation(
        "Revoke a clone credential",
        scope="leases:write",
        status=204,
        reaches_provider=True,
        seldom=True,
        about="At once; running clones are cut within 10 s. One that has ended is no error.",
        codes=_OWN,
    )
    def delete(self, call: Call, found: Lease) -> Answer:
        leases.revoke(actor=call.actor, lease=found)
        return nothing()


def _rows() -> QuerySet[Lease]:
    return Lease.objects.select_related("binding__host", "repository")


def _asked(rows: QuerySet[Lease], query: Mapping[str, Any], now: datetime) -> QuerySet[Lease]:
    if query["binding"]:
        keys = [ids.key(Binding.PREFIX, public_id) for public_id in query["binding"]]
        rows = rows.filter(binding_id__in=[key for key in keys if key])
    if query["repository"]:
        rows = leases.of_repositories(rows, query["repository"])
    if query["build"]:
        rows = rows.filter(build__in=query["build"])
    return leases.with_status(rows, query["status"], now) if query["status"] else rows


def _shape(lease: Lease, now: datetime) -> LeaseShape:
    proxied = lease.kind == LeaseKind.PROXIED
    return {
        "id": lease.public_id,
        "kind": lease.kind,  # type: ignore[typeddict-item]  # one of the two
        "binding": ids.public(Binding.PREFIX, lease.binding_id),
        "repository": {
            "id": ids.public(Repository.PREFIX, lease.repository_id),
            "path": lease.path,
        },
        "url": leases.url_of(lease) if proxied else lease.repository.clone_url,
        "username": lease.public_id if proxied else None,
        "expires_at": lease.expires_at,
        "status": leases.status_of(lease, now),  # type: ignore[typeddict-item]  # one of four
        "build": lease.build,
        "uses": lease.uses,
        "bytes": lease.bytes,
        "last_used_at": lease.used_at,
        "created_at": lease.created_at,
        "created_by": {  # in this order, which the database does not keep
            "kind": lease.issued_to.get("kind", "token"),
            "id": lease.issued_to.get("id", ""),
            "name": lease.issued_to.get("name", ""),
        },
    }
