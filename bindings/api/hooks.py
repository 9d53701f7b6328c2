"""Webhooks over the API: a wish for one, how it is, and what mends it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal, TypedDict

from django.conf import settings
from django.db.models import Q, QuerySet

from bindings.api import shapes
from bindings.api.endpoint import BindingEndpoint, Call, Endpoint
from bindings.models import Binding, Hook, Repository
from bindings.models.hooks import HookStatus
from bindings.services.listen import gaps, hooks
from bindings.services.tell import webhooks
from portal.ground import ids, rls
from portal.ground.rest import pagination, parameters
from portal.ground.rest.calls import Answer, listed, nothing, one, operation
from portal.ground.rest.fields import Body, Nothing, Text
from portal.ground.rest.shapes import Uri, identity
from portal.tenants import access
from portal.tenants.access import tenant_of
from portal.tenants.models import Instance

HookId = Annotated[str, identity("hok")]
_STATUSES = [status.value for status in HookStatus if status != HookStatus.REMOVED]
_COLUMNS = (
    "id",
    "binding_id",
    "repository_id",
    "repository__path",
    "status",
    "status_since",
    "remote_id",
    "proof",
    "created_at",
    "heard_at",
    "checked_at",
)
_AWAY = ("502 *-API-* *-NET-02 *-NET-03", "503 *-RATE-01", "504 *-NET-01")
_NOT_NOW = ("409 X-STATE-01", "422 *-HOOK-02 *-SCOPE-02", *_AWAY)


class RepositoryBrief(TypedDict):
    id: Annotated[str, identity("rep")]
    path: str


class Webhook(TypedDict):
    """A webhook of ours at a code host. `signature`: what its proof covers."""

    id: HookId
    binding: shapes.BindingId
    repository: RepositoryBrief
    url: Uri
    events: list[Literal["push", "tag"]]
    status: Literal[
        "active", "unverified", "missing", "mismatch", "disabled", "failing", "removing"
    ]
    status_since: datetime
    provider_hook_id: str | None
    signature: Literal["hmac", "signed", "time", "token"]
    created_at: datetime
    last_delivery_at: datetime | None
    checked_at: datetime | None


class WebhookBody(Body):
    repository = Text(max_length=1000, help_text="An id or a path.")


class BindingWebhooks(BindingEndpoint):
    @operation(
        "Add a webhook",
        scope="webhooks:write",
        body=WebhookBody,
        answers=Webhook,
        status=201,
        located=True,
        reaches_provider=True,
        about="200 with the webhook when there is one already.",
        codes=(
            "404 *-REPO-02",
            "409 *-REPO-03 *-REPO-04 X-STATE-01",
            "410 X-GONE-01",
            "422 *-HOOK-02 *-HOOK-05 *-HOOK-07 *-SCOPE-02",
            *_AWAY,
        ),
    )
    def post(self, call: Call, found: Binding) -> Answer:
        hook, made = hooks.add(actor=call.actor, binding=found, repository=call.body["repository"])
        location = f"/api/v1/webhooks/{hook.public_id}" if made else ""
        return Answer(_picture(call, hook), status=201 if made else 200, location=location)


class Webhooks(Endpoint):
    @operation(
        "List webhooks",
        scope="webhooks:read",
        answers=Webhook,
        lists=True,
        about="By the repository's path.",
        query=(
            parameters.text("binding", "A binding's id."),
            parameters.text("instance", "An instance's id."),
            parameters.text("repository", "A repository's id or path.", most=1000),
            parameters.choice("status", "How it is.", _STATUSES),
        ),
    )
    def get(self, call: Call, found: None) -> Answer:
        rows = _asked(access.visible(call.actor, _there()), call.query).values(*_COLUMNS)
        page = pagination.page(rows, ["repository__path", "id"], call.paging)
        return listed([_shape(row) for row in page.rows], page)


class _OfWebhook(Endpoint):
    """An endpoint at or below `/webhooks/{webhook}`."""

    def which(self, call: Call) -> Hook:
        rows = _there().select_related("binding__host", "repository")
        return access.get(call.actor, rows, call.path["webhook"], call.operation.scope)


class OneWebhook(_OfWebhook):
    @operation("Get a webhook", scope="webhooks:read", answers=Webhook)
    def get(self, call: Call, found: Hook) -> Answer:
        return one(_picture(call, found))

    @operation(
        "Remove a webhook",
        scope="webhooks:write",
        status=204,
        reaches_provider=True,
        about="Removed at the platform as well: now, or in the background.",
    )
    def delete(self, call: Call, found: Hook) -> Answer:
        hooks.remove(actor=call.actor, hook=found)
        return nothing()


class WebhookTests(_OfWebhook):
    @operation(
        "Send a test",
        scope="webhooks:write",
        body=Nothing,
        answers=Webhook,
        status=202,
        reaches_provider=True,
        about="The platform sends it; it arrives as a delivery.",
        codes=("422 *-HOOK-08", *_NOT_NOW),
    )
    def post(self, call: Call, found: Hook) -> Answer:
        hooks.test(actor=call.actor, hook=found)
        return Answer(_picture(call, found), tagged=False)


class WebhookRepairs(_OfWebhook):
    @operation(
        "Repair a webhook",
        scope="webhooks:write",
        body=Nothing,
        answers=Webhook,
        reaches_provider=True,
        about="Pushes address, events and a new secret; the old secret counts for 24 hours more.",
        codes=_NOT_NOW,
    )
    def post(self, call: Call, found: Hook) -> Answer:
        return Answer(_picture(call, hooks.repair(actor=call.actor, hook=found)), tagged=False)


class WebhookRecoveries(_OfWebhook):
    @operation(
        "Look for missed pushes",
        scope="webhooks:write",
        body=Nothing,
        answers=Webhook,
        status=202,
        reaches_provider=True,
        about="Compares branches and tags with what arrived and sends what was missed, once.",
        codes=_NOT_NOW,
    )
    def post(self, call: Call, found: Hook) -> Answer:
        gaps.recover(hook=found, actor=call.actor)
        return Answer(_picture(call, found), tagged=False)


def _there() -> QuerySet[Hook]:
    return Hook.objects.exclude(status=HookStatus.REMOVED)


def _asked(rows: QuerySet[Hook], query: Mapping[str, Any]) -> QuerySet[Hook]:
    if query["status"]:
        rows = rows.filter(status__in=query["status"])
    if query["binding"]:
        rows = rows.filter(binding_id__in=_keys(Binding.PREFIX, query["binding"]))
    if query["instance"]:
        rows = rows.filter(binding__instance_id__in=_keys(Instance.PREFIX, query["instance"]))
    if query["repository"]:
        by_key = Q(repository_id__in=_keys(Repository.PREFIX, query["repository"]))
        rows = rows.filter(by_key | Q(repository__path__in=query["repository"]))
    return rows


def _keys(prefix: str, public_ids: tuple[str, ...]) -> list[Any]:
    return [key for key in (ids.key(prefix, one) for one in public_ids) if key is not None]


def _picture(call: Call, hook: Hook) -> Webhook:
    tenant = tenant_of(call.actor)
    with rls.tenant(tenant.pk):
        return _shape(Hook.objects.of(tenant).filter(pk=hook.pk).values(*_COLUMNS).get())


def _shape(row: Mapping[str, Any]) -> Webhook:
    public_id = ids.public(Hook.PREFIX, row["id"])
    return {
        "id": public_id,
        "binding": ids.public(Binding.PREFIX, row["binding_id"]),
        "repository": {
            "id": ids.public(Repository.PREFIX, row["repository_id"]),
            "path": row["repository__path"],
        },
        "url": f"{settings.MOORING_URL}/hooks/{public_id}",
        "events": list(webhooks.EVENTS),  # type: ignore[arg-type]  # both words
        "status": row["status"],
        "status_since": row["status_since"],
        "provider_hook_id": row["remote_id"] or None,
        "signature": row["proof"],
        "created_at": row["created_at"],
        "last_delivery_at": row["heard_at"],
        "checked_at": row["checked_at"],
    }
