"""Triggers over the API, and builds by hand."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Annotated, Any, Literal, TypedDict
from uuid import UUID

from django.db.models import Q, QuerySet
from rest_framework import serializers

from bindings.api import shapes
from bindings.api.endpoint import Call, Endpoint, InstanceEndpoint, live_binding
from bindings.api.hooks import RepositoryBrief
from bindings.models import Binding, Repository
from bindings.models import Endpoint as Listener
from bindings.models import Trigger as Row
from bindings.models.triggers import TriggerMode
from bindings.services.listen import standings, triggers
from bindings.services.listen.standings import Standing
from portal.ground import ids, rls
from portal.ground.refusals import NotYours
from portal.ground.rest import pagination, parameters
from portal.ground.rest.calls import Answer, listed, nothing, one, operation
from portal.ground.rest.fields import Body, Choice, Flag, Text, Texts
from portal.ground.rest.shapes import identity, open_words
from portal.tenants import access
from portal.tenants.access import tenant_of
from portal.tenants.api.shapes import InstanceId
from portal.tenants.models import Instance

PASSING = ("status", "status_reason", "binding", "webhook", "last_event_at")
_OWN = ("409 X-NAME-01", "422 X-LIMIT-01")
_HOST = ("502 *-API-* *-NET-02", "503 *-RATE-01", "504 *-NET-01")
_LONGEST_PATH = 1000


class Trigger(TypedDict):
    """Which pushes of a repository start a build."""

    id: Annotated[str, identity("trg")]
    instance: InstanceId
    binding: shapes.BindingId | None
    provider: shapes.ProviderWord
    repository: RepositoryBrief
    name: str
    mode: Literal["automatic", "manual"]
    enabled: bool
    branches: list[str]
    tags: list[str]
    variables: dict[str, str]
    endpoints: list[Annotated[str, identity("end")]] | None
    status: Annotated[str, open_words(*Standing)]
    status_reason: str | None
    webhook: Annotated[str, identity("hok")] | None
    last_event_at: datetime | None
    created_at: datetime


class Run(TypedDict):
    """A build that was started by hand."""

    event: Annotated[str, identity("evt")]
    ref: str
    kind: Literal["branch", "tag", "commit"]
    sha: str


class Variables(serializers.DictField):
    """Names and values that are passed on; what they may be is judged with the trigger."""

    def __init__(self, **options: Any) -> None:
        child = Text(max_length=triggers.LONGEST_VALUE, allow_blank=True, trim_whitespace=False)
        super().__init__(child=child, **options)


class TriggerBody(Body):
    name = Text(max_length=triggers.LONGEST_NAME)
    binding = Text(max_length=40)
    repository = Text(max_length=_LONGEST_PATH)
    mode = Choice(choices=list(TriggerMode.values), default=TriggerMode.AUTOMATIC.value)
    enabled = Flag(default=True)
    branches = Texts(default=list)
    tags = Texts(default=list)
    variables = Variables(default=dict)
    endpoints = Texts(allow_null=True, default=None)


class TriggerChange(Body):
    name = Text(max_length=triggers.LONGEST_NAME, required=False)
    mode = Choice(choices=list(TriggerMode.values), required=False)
    enabled = Flag(required=False)
    branches = Texts(required=False)
    tags = Texts(required=False)
    variables = Variables(required=False)
    endpoints = Texts(allow_null=True, required=False)


class RunBody(Body):
    ref = Text(max_length=300)
    reason = Text(max_length=triggers.LONGEST_REASON, allow_blank=True, allow_null=True, default="")


class Triggers(Endpoint):
    @operation(
        "List triggers",
        scope="triggers:read",
        answers=Trigger,
        lists=True,
        about="By name.",
        query=(
            parameters.text("instance", "An instance's id."),
            parameters.text("binding", "The id of a live binding."),
            parameters.text("repository", "A repository's id or path.", most=_LONGEST_PATH),
            parameters.choice("status", "How it stands.", list(Standing)),
            parameters.choice("mode", "Automatic or by hand.", TriggerMode.values),
        ),
    )
    def get(self, call: Call, found: None) -> Answer:
        rows = standings.stood(access.visible(call.actor, Row.objects.all()))
        page = pagination.page(_asked(rows, call.query), ["name", "id"], call.paging)
        return listed([_shape(row) for row in page.rows], page)


class InstanceTriggers(InstanceEndpoint):
    @operation(
        "Create a trigger",
        scope="triggers:write",
        body=TriggerBody,
        answers=Trigger,
        status=201,
        located=True,
        reaches_provider=True,
        about="An automatic one makes the webhook if there is none.",
        codes=("404 *-REPO-02", "409 X-STATE-01", "422 *-HOOK-02 *-HOOK-07", *_OWN, *_HOST),
    )
    def post(self, call: Call, found: Instance) -> Answer:
        body = dict(call.body)
        binding = live_binding(call, body.pop("binding"), found)
        if binding is None:
            raise NotYours
        made = triggers.create(actor=call.actor, instance=found, binding=binding, **body)
        return Answer(
            _picture(call, made.pk),
            passing=PASSING,
            location=f"/api/v1/triggers/{made.public_id}",
        )


class TriggerEndpoint(Endpoint):
    """An endpoint below `/triggers/{trigger}`."""

    def which(self, call: Call) -> Row:
        rows = standings.stood(Row.objects.all())
        if call.operation.if_match:
            rows = rows.select_for_update(of=("self",))
        return access.get(call.actor, rows, call.path["trigger"], call.operation.scope)

    def picture(self, call: Call, found: Row) -> Answer:
        return one(_shape(found), passing=PASSING)


class OneTrigger(TriggerEndpoint):
    @operation("Get a trigger", scope="triggers:read", answers=Trigger)
    def get(self, call: Call, found: Row) -> Answer:
        return self.picture(call, found)

    @operation(
        "Change a trigger",
        scope="triggers:write",
        body=TriggerChange,
        answers=Trigger,
        if_match=True,
        reaches_provider=True,
        about="One that becomes automatic gets its webhook first.",
        codes=("404 *-REPO-02", "422 *-HOOK-02 *-HOOK-07", *_OWN, *_HOST),
    )
    def patch(self, call: Call, found: Row) -> Answer:
        if call.body:
            triggers.change(actor=call.actor, trigger=found, **call.body)
        return one(_picture(call, found.pk), passing=PASSING)

    @operation("Delete a trigger", scope="triggers:write", status=204, if_match=True)
    def delete(self, call: Call, found: Row) -> Answer:
        triggers.delete(actor=call.actor, trigger=found)
        return nothing()


class Runs(TriggerEndpoint):
    @operation(
        "Start a build by hand",
        scope="triggers:run",
        body=RunBody,
        answers=Run,
        status=202,
        reaches_provider=True,
        about="Of any branch, tag or commit, also outside the patterns and when it is disabled.",
        codes=("404 *-REF-01 *-REPO-02", "409 X-STATE-01", *_HOST),
    )
    def post(self, call: Call, found: Row) -> Answer:
        event = triggers.run(
            actor=call.actor,
            trigger=found,
            ref=call.body["ref"],
            reason=call.body["reason"] or "",
        )
        shown: Run = {
            "event": event.public_id,
            "ref": event.data["ref"],
            "kind": event.data["kind"],
            "sha": event.data["after"],
        }
        return Answer(shown, tagged=False)


def _asked(rows: QuerySet[Row], query: Mapping[str, Any]) -> QuerySet[Row]:
    if query["instance"]:
        rows = rows.filter(instance_id__in=_keys(Instance.PREFIX, query["instance"]))
    if query["binding"]:
        rows = rows.filter(Q(("served_by__in", _keys(Binding.PREFIX, query["binding"]))))
    if query["repository"]:
        keys = _keys(Repository.PREFIX, query["repository"])
        rows = rows.filter(Q(repository_id__in=keys) | Q(repository__path__in=query["repository"]))
    if query["status"]:
        rows = rows.filter(Q(("standing__in", query["status"])))
    return rows.filter(mode__in=query["mode"]) if query["mode"] else rows


def _keys(prefix: str, public_ids: Iterable[str]) -> list[UUID]:
    found = (ids.key(prefix, public_id) for public_id in public_ids)
    return [key for key in found if key is not None]


def _picture(call: Call, key: UUID) -> Trigger:
    tenant = tenant_of(call.actor)
    with rls.tenant(tenant.pk):
        return _shape(standings.stood(Row.objects.of(tenant)).get(pk=key))


def _shape(row: Row) -> Trigger:
    stand = standings.stand_of(row)
    listeners = row.endpoints
    return {
        "id": row.public_id,
        "instance": ids.public(Instance.PREFIX, row.instance_id),
        "binding": stand.binding,
        "provider": row.repository.host.provider,  # type: ignore[typeddict-item]  # a known one
        "repository": {"id": row.repository.public_id, "path": row.repository.path},
        "name": row.name,
        "mode": row.mode,  # type: ignore[typeddict-item]  # automatic or manual
        "enabled": row.enabled,
        "branches": row.branches,
        "tags": row.tags,
        "variables": row.variables,
        "endpoints": None
        if listeners is None
        else [ids.public(Listener.PREFIX, key) for key in listeners],
        "status": stand.status.value,
        "status_reason": stand.reason,
        "webhook": stand.webhook,
        "last_event_at": row.last_event_at,
        "created_at": row.created_at,
    }
