"""The addresses where builders listen: add, change, remove, new secret, test."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from itertools import count
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import IntegrityError
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from bindings.models import Dispatch, Endpoint
from bindings.services.custody import sealed
from bindings.services.custody.door import door, rules_for_endpoints
from bindings.services.tell import envelope, outbox, signing, wake
from portal.ground import rls
from portal.ground.refusals import NotYours, Refusal
from portal.tenants import access
from portal.tenants.access import Actor
from portal.tenants.models import Event, Instance
from portal.tenants.services.events import Entry
from providers import address
from providers.errors import AddressRefused, Unreachable

MOST = 50  # endpoints of a tenant
FAMILIES = ("build.*", "binding.*", "webhook.*")
TYPES = (
    *("build.push", "build.tag", "build.manual", "build.recovered"),
    *("binding.bound", "binding.unbound", "binding.replaced", "binding.rotated"),
    *("binding.suspended", "binding.resumed", "binding.expiring", "binding.expired"),
    *("binding.revoked", "binding.insufficient", "binding.undecryptable"),
    *("binding.unreachable", "binding.recovered", "webhook.failing", "webhook.repaired"),
)
"""What endpoints may subscribe to (api.md 6.2)."""

_LONGEST_NAME = 80
_RESOLVE_SECONDS = 2.0


def create(
    *,
    actor: Actor,
    name: str,
    url: str,
    kinds: Sequence[str],
    instances: Sequence[str] | None = None,
    enabled: bool = True,
) -> tuple[Endpoint, str]:
    """A new endpoint and its secret, which is shown once. Asks the resolver, so no scope may be
    open. Raises Refusal X-FORM-01, X-FORM-03, X-ADDR-01, X-NAME-01, X-LIMIT-01."""
    tenant, now, secret = access.tenant_of(actor), timezone.now(), signing.new_secret()
    maker = None if actor.person is None else actor.person.pk
    row = Endpoint(tenant=tenant, secret_set_at=now, made_by=maker)
    _judge(url)
    _fill(row, actor, {"name": name, "url": url, "kinds": kinds, "instances": instances})
    if not enabled:
        _switch(row, now, on=False)
    sealed.put_shared_secret(row, secret, now=now)
    with rls.tenant(tenant.pk):
        rls.in_turn(f"endpoints of {tenant.pk}")
        if Endpoint.objects.of(tenant).count() >= MOST:
            raise Refusal("X-LIMIT-01", n=MOST)
        _save(row, force_insert=True)
        _tell("endpoint.created", actor, row, now)
    return row, secret


def change(*, actor: Actor, endpoint: Endpoint, changes: Mapping[str, Any]) -> Endpoint:
    """Change `name`, `url`, `kinds`, `instances` or `enabled`. Switching on begins anew: what was
    kept is sent now. Raises what `create` raises, and NotYours."""
    now = timezone.now()
    if "url" in changes:
        _judge(changes["url"])
    with rls.tenant(endpoint.tenant_id):
        row = _locked(endpoint)
        was = row.enabled
        _fill(row, actor, changes)
        if "enabled" in changes and changes["enabled"] != was:
            _switch(row, now, on=changes["enabled"])
        row.version += 1
        _save(row)
        _tell("endpoint.changed", actor, row, now, changed=sorted(changes))
    return row


def delete(*, actor: Actor, endpoint: Endpoint) -> None:
    """Remove an endpoint; what still waits for it is dropped. Raises NotYours."""
    with rls.tenant(endpoint.tenant_id):
        row = _locked(endpoint)
        _tell("endpoint.deleted", actor, row, timezone.now())
        found = Endpoint.objects.of(row.tenant_id).filter(pk=row.pk)
        found._raw_delete(found.db)  # the database takes the dispatches with it


def new_secret(*, actor: Actor, endpoint: Endpoint) -> tuple[str, datetime | None]:
    """A new secret, shown once, and until when the one before signs as well; None where that does
    not open any more. Raises NotYours."""
    now, secret = timezone.now(), signing.new_secret()
    with rls.tenant(endpoint.tenant_id):
        row = _locked(endpoint)
        sealed.put_shared_secret(row, secret, now=now)
        row.secret_set_at = now
        row.version += 1
        row.save()
        _tell("endpoint.secret_replaced", actor, row, now)
    return secret, row.previous_until


def test(*, actor: Actor, endpoint: Endpoint) -> Event:
    """Send this endpoint an `endpoint.test`. Raises NotYours."""
    with rls.tenant(endpoint.tenant_id):
        row = _locked(endpoint)
        return _tell(envelope.TEST, actor, row, timezone.now(), message="It works.")


def visible_to(actor: Actor) -> QuerySet[Endpoint]:
    """The endpoints this actor may see: those of the tenant, and for a token limited to instances
    those that hear of nothing else."""
    rows = access.visible(actor, Endpoint.objects.all())
    if actor.instances is not None:
        rows = rows.filter(instances__contained_by=sorted(actor.instances))
    return rows


def kept(endpoint: Endpoint, *, most: int = 1000) -> tuple[int, datetime | None]:
    """How many events wait for an endpoint that is off, counted up to `most`, and until when the
    oldest is kept. Needs the tenant's scope."""
    waiting = Dispatch.objects.of(endpoint.tenant_id).filter(endpoint=endpoint, state="waiting")
    found = list(waiting.order_by("created_at").values_list("created_at", flat=True)[:most])
    until = found[0] + timedelta(days=settings.MOORING_DELIVERY_DAYS) if found else None
    return len(found), until


def _fill(row: Endpoint, actor: Actor, given: Mapping[str, Any]) -> None:
    """Write what was given into the (unsaved) row, as far as it can be taken."""
    if "name" in given:
        row.name = _name(given["name"])
    if "url" in given:
        row.url = _written(given["url"])
    if "kinds" in given:
        row.kinds = _kinds(given["kinds"])
    if "instances" in given:
        row.instances = _instances(actor, given["instances"])


def _judge(url: str) -> None:
    """Ask where the name leads. One that is not known yet may become so; one that leads where
    nobody may go is refused. Raises Refusal X-ADDR-01."""
    try:
        door().judge(_written(url), rules=rules_for_endpoints(), seconds=_RESOLVE_SECONDS)
    except AddressRefused as refused:
        raise _refused(refused.reason) from None
    except Unreachable:
        pass


def _written(url: str) -> str:
    """The address as it is kept and called."""
    try:
        written = address.whole(url, rules=rules_for_endpoints())
    except AddressRefused as refused:
        raise _refused(refused.reason) from None
    if written.startswith("http:") and not settings.MOORING_ENDPOINT_ALLOW_HTTP:
        raise Refusal("X-ADDR-01", field="url", why=_("it has to start with https://"))
    return written


def _refused(reason: str) -> Refusal:
    said = {
        "address_not_public": _("it is not public"),
        "port_not_allowed": _("this port is not allowed"),
        "userinfo_not_allowed": _("it holds a name or a password"),
        "scheme_missing": _("it has to start with https://"),
        "scheme_not_allowed": _("it has to start with https://"),
    }
    return Refusal("X-ADDR-01", field="url", why=said.get(reason, _("it is no address")))


def _name(text: str) -> str:
    name = text.strip()
    if not name:
        raise Refusal("X-FORM-01", field="name")
    if len(name) > _LONGEST_NAME or not name.isprintable():
        why = _("1 to %(n)d printable characters") % {"n": _LONGEST_NAME}
        raise Refusal("X-FORM-03", field="name", why=why)
    return name


def _kinds(wanted: Sequence[str]) -> list[str]:
    if not wanted:
        raise Refusal("X-FORM-01", field="events")
    for kind in wanted:
        if kind not in TYPES and kind not in FAMILIES:
            why = _("there is no event %(type)s") % {"type": kind[:60]}
            raise Refusal("X-FORM-03", field="events", why=why)
    return list(dict.fromkeys(wanted))


def _instances(actor: Actor, wanted: Sequence[str] | None) -> list[UUID] | None:
    if wanted is None:
        if actor.instances is not None:
            why = _("name the instances: this token is limited to some")
            raise Refusal("X-FORM-03", field="instances", why=why)
        return None
    live = Instance.objects.filter(closed_at=None)
    try:
        found = [access.get(actor, live, one, "endpoints:write").pk for one in wanted]
    except NotYours:
        why = _("there is no such instance")
        raise Refusal("X-FORM-03", field="instances", why=why) from None
    return list(dict.fromkeys(found))


def _locked(endpoint: Endpoint) -> Endpoint:
    # Not its key: whoever records an event for it does not wait for us, nor we for them.
    rows = Endpoint.objects.of(endpoint.tenant_id).select_for_update(no_key=True)
    row = rows.filter(pk=endpoint.pk).first()
    if row is None:
        raise NotYours
    return row


def _save(row: Endpoint, **how: Any) -> None:
    try:
        with rls.attempt():
            row.save(**how)
    except IntegrityError:
        taken = set(Endpoint.objects.of(row.tenant_id).values_list("name", flat=True))
        stem = row.name[: _LONGEST_NAME - 5]
        other = next(f"{stem}-{n}" for n in count(2) if f"{stem}-{n}" not in taken)
        raise Refusal(
            "X-NAME-01", field="name", name=row.name, extra={"suggestion": other}
        ) from None


def _switch(row: Endpoint, now: datetime, *, on: bool) -> None:
    row.enabled = on
    row.failing_since = None
    row.why, row.disabled_at = ("", None) if on else (outbox.BY_HAND, now)
    if on:
        waiting = Dispatch.objects.of(row.tenant_id).filter(endpoint=row, state="waiting")
        waiting.update(next_at=now, tries=0)
        wake.ring()


def _tell(type: str, actor: Actor, row: Endpoint, now: datetime, **more: Any) -> Event:
    entry = Entry(
        tenant_id=row.tenant_id,
        type=type,
        actor=actor.event(),
        at=now,
        data={"endpoint": {"id": row.public_id, "name": row.name}, **more},
    )
    return outbox.record([entry])[0]
