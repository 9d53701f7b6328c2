"""Bind with a pasted token: the same steps for a page and for the API."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from django.utils import timezone
from django.utils.translation import gettext as _

from bindings import expiry
from bindings.models import Binding
from bindings.models.bindings import Kind
from bindings.services.bind import hosts, store
from bindings.services.bind.refuse import refusal_of
from bindings.services.bind.store import Proven
from bindings.services.keep import doctor
from bindings.services.keep.doctor import Examination, Hint, Question
from portal.ground import rls
from portal.ground.refusals import Refusal
from portal.tenants.access import Actor
from portal.tenants.models import Instance, Tenant
from providers.catalogue import REGISTRY
from providers.types import Credential, Method

LONGEST_END = timedelta(days=3660)
# What is stored and shown as it was typed: a token pasted into the wrong field must not be.
_SHOWN = ("host", "base_url", "username", "organization", "clone_username")
_TELLING = 8  # letters; anything shorter is no token (product.md G41)


@dataclass(frozen=True, slots=True)
class TokenAsk:
    """What a person or a program typed. Only the shape of it has been checked."""

    provider: str
    token: str = field(repr=False)
    host: str = ""
    base_url: str = ""
    username: str = ""
    expires_on: date | None = None
    mode: str = "full"
    organization: str = ""
    clone_username: str = ""


@dataclass(frozen=True, slots=True)
class Tested:
    """What a dry run found, with the server it was about."""

    examination: Examination
    found: hosts.Found

    @property
    def hints(self) -> tuple[Hint, ...]:
        return self.found.hints + self.examination.hints


@dataclass(frozen=True, slots=True)
class Bound:
    binding: Binding
    hints: tuple[Hint, ...] = ()


def test(*, tenant: Tenant, instance: Instance | None, ask: TokenAsk) -> Tested:
    """Climb the ladder with exactly these values; saves nothing.

    Raises Refusal for what is wrong with the form itself; what the far end does is in the answer.
    """
    _check_form(tenant, instance, ask)
    return _climb(tenant, ask)


def bind(
    *,
    actor: Actor,
    instance: Instance,
    ask: TokenAsk,
    labels: Mapping[str, str] | None = None,
) -> Bound:
    """Prove the token, then bind. Raises Refusal: form and address codes, *-DUP-01, or the code of
    the step that failed, with all six steps. Nothing is saved unless the ladder was climbed."""
    _check_form(instance.tenant, instance, ask)
    with rls.tenant(instance.tenant_id):
        first = store.live_binding(instance, ask.provider)
    if first is not None:
        raise store.already_bound(first)
    tested = _climb(instance.tenant, ask)
    if not tested.examination.ok:
        raise refusal_of(tested.examination, tested.found.host, instance.name)
    proven = Proven(
        host=tested.found.host,
        secret=_secret(ask),
        examination=tested.examination,
        kind=Kind.TOKEN,
        mode=ask.mode,
        labels=labels,
        stated_by=actor.name,
    )
    with rls.tenant(instance.tenant_id):
        binding = store.new_binding(
            actor=actor,
            instance=instance,
            proven=proven,
            expiry=store.expiry_of(proven, ask.expires_on),
            now=timezone.now(),
        )
    return Bound(binding, tested.hints)


def check_end(expires_on: date | None, *, prefix: str, now: datetime) -> None:
    """Refuse a stated end that is not between tomorrow and ten years from now."""
    if expires_on is None:
        return
    latest = (now + LONGEST_END).date()
    if not now.date() < expires_on <= latest:
        raise Refusal(f"{prefix}-EXP-02", field="expires_on", max=latest.isoformat())


def _check_form(tenant: Tenant, instance: Instance | None, ask: TokenAsk) -> None:
    if instance is not None:
        hosts.check_offer(instance, ask.provider)
    elif not hosts.is_offered(tenant, ask.provider):
        raise hosts.not_offered(ask.provider)
    spec = REGISTRY[ask.provider].spec
    if Method.TOKEN not in spec.methods:
        way = "the operator's cloud account" if Method.PLATFORM in spec.methods else "authorization"
        raise Refusal("X-FORM-03", field="provider", why=f"{spec.label} is bound by {way}")
    check_end(ask.expires_on, prefix=spec.prefix, now=timezone.now())
    for name in spec.requires:
        if not getattr(ask, name):
            raise Refusal("X-FORM-01", field=name)
    for name in _SHOWN:
        if len(ask.token) >= _TELLING and ask.token.strip() in getattr(ask, name):
            raise Refusal("X-FORM-03", field=name, why=_("this is the token"))


def _climb(tenant: Tenant, ask: TokenAsk) -> Tested:
    found = hosts.find(tenant=tenant, provider=ask.provider, address=ask.base_url, host=ask.host)
    return Tested(doctor.examine(_question(ask, found), now=timezone.now()), found)


def _question(ask: TokenAsk, found: hosts.Found) -> Question:
    return Question(
        host=found.host,
        secret=_secret(ask),
        mode=ask.mode,
        username=ask.username.strip(),
        stated_end=expiry.deadline(ask.expires_on) if ask.expires_on else None,
    )


def _secret(ask: TokenAsk) -> Credential:
    return Credential(
        token=ask.token.strip(),
        username=ask.username.strip().lstrip("@"),
        clone_username=ask.clone_username,
        organization=ask.organization,
        kind=Method.TOKEN,
    )
