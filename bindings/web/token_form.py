"""The token form as a page, or as the parts of it that a test changed: verdict, fields, ladder."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.http import HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from bindings.services.bind.hosts import offered
from bindings.services.bind.links import can_authorize
from bindings.services.bind.refuse import fix_url
from bindings.services.bind.token import Tested
from bindings.services.browse import guides
from bindings.services.browse.specs import older_token_page, spec_of, token_page
from bindings.services.keep.doctor import Examination, Hint
from bindings.web import markdown, shown
from bindings.web.forms import TokenForm
from bindings.web.window import frame
from portal.ground import refusals
from portal.ground.refusals import Refusal
from portal.templatetags import words
from portal.tenants.middleware import Request
from portal.tenants.models import Instance

_FIELDS = {"address": "base_url", "host": "base_url", "mode": "manual"}
_ASKS_END = ("EXP-01", "API-02")  # the server did not tell when the token ends


def show(
    request: Request,
    instance: Instance,
    provider: str,
    form: TokenForm,
    *,
    tested: Tested | None = None,
    refused: Refusal | None = None,
) -> HttpResponse:
    """The form with what a test found, or with why a bind was refused."""
    part = request.headers.get("HX-Request") == "true"
    seen = _seen(tested)
    if tested is not None:
        form.take_over(_taken_over(form, tested))
    where = [instance.tenant.slug, instance.name, provider]
    form.ask_while_typing(reverse("bind_address", args=where))
    context = {
        **frame(instance, provider),
        "form": form,
        "asks_end": form.shows_end or seen.get("asks_end", False),
        "egress": {
            "portal": settings.MOORING_EGRESS_RANGES,
            "builders": settings.MOORING_BUILDER_RANGES,
        },
        "profile": settings.MOORING_PROFILE,
        "guide": guide(provider, _server(form, tested), instance),
        "consent": "oauth" in form.spec.methods
        and any(can_authorize(host) for host in offered(instance.tenant, provider)),
        "now": timezone.now(),
        **seen,
        **_failed(tested, refused, form, instance),
    }
    context["slots"] = _slots(form, seen.get("notices", {}), asks_end=context["asks_end"])
    if not part and (seen or context.get("code")):
        _ask_again(form)
    template = "sources/bind_result.html" if part else "sources/bind_token.html"
    status = 422 if form.errors and not part and not seen.get("passed") else 200
    return TemplateResponse(request, template, context, status=status)


def _slots(form: TokenForm, notices: Mapping[str, Any], *, asks_end: bool) -> list[dict[str, Any]]:
    """The fields in the platform's order, each with its place on the page."""
    return [
        {
            "field": form[name],
            "notice": notices.get(name),
            "shown": asks_end or name != "expires_on",
        }
        for name in form.spec.asks
    ]


def guide(provider: str, server: str, instance: Instance) -> dict[str, Any]:
    """How the token is made: the platform's page, filled in, and the steps by hand."""
    spec = spec_of(provider)
    base, name = server or (spec.default_address if spec else ""), f"mooring-{instance.name}"
    return {
        "url": token_page(provider, base, name) if base else "",
        "older": older_token_page(provider, base, name) if base else "",
        **by_hand(provider, name),
    }


def by_hand(provider: str, name: str) -> dict[str, Any]:
    """The written steps, and the least the token needs; `name`: what it could be called."""
    lines = [
        [str(line).replace("{name}", name) for line in s] for s in guides.STEPS.get(provider, ())
    ]
    return {
        "steps": [[markdown.inline(line) for line in step] for step in lines],
        "needs": guides.NEEDS.get(provider, ()),
    }


def said(refused: Refusal) -> str:
    """The sentence of a refusal."""
    return refusals.words(refused.code, refused.facts).detail


def _seen(tested: Tested | None) -> dict[str, Any]:
    if tested is None:
        return {}
    found = tested.examination
    codes = {hint.code.partition("-")[2] for hint in tested.hints}
    return {
        "steps": [step.shown() for step in found.steps],
        "passed": found.ok,
        "identity": found.identity,
        "server": tested.found.host,
        "abilities": shown.abilities_of(tested.found.host.provider, found.abilities),
        "end": _end(tested.found.host.provider, found),
        "asks_end": bool(codes & set(_ASKS_END)),
        "notices": _notices(tested),
        "hints": [_notice(hint) for hint in tested.hints if not hint.about],
    }


def _end(provider: str, found: Examination) -> words.End | None:
    """The date that was read back, with the days left (product.md R5.6)."""
    told = found.inspection.expiry if found.inspection else None
    if told is None or told.quality not in shown.DATED:
        return None
    spec = spec_of(provider)
    midnight = bool(spec and spec.ends_at_midnight)
    return words.end(told.quality, at=told.at, now=timezone.now(), at_midnight=midnight)


def _notices(tested: Tested) -> dict[str, dict[str, str]]:
    """Field → what is said under it."""
    found = {_FIELDS.get(h.about, h.about): _notice(h) for h in tested.hints if h.about}
    owner = tested.examination.identity
    if owner is not None and owner.named and tested.examination.about != "username":
        name = f"{owner.login} ({owner.name})" if owner.name else owner.login
        text = _("Matches the owner of the token: %(name)s.") % {"name": name}
        found["username"] = {"text": text, "tone": "ok"}
    return found


def _taken_over(form: TokenForm, tested: Tested) -> dict[str, str]:
    """What the form shows from now on: the server part of a pasted link, the account's name."""
    change = {hint.about: hint.value for hint in tested.found.hints if hint.value}
    found = tested.examination.identity
    asked = "username" in form.fields and not form["username"].value()
    if found is not None and found.named and asked:
        change["username"] = found.login
    return change


def _server(form: TokenForm, tested: Tested | None) -> str:
    return tested.found.host.base_url if tested is not None else form.server


def _failed(
    tested: Tested | None, refused: Refusal | None, form: TokenForm, instance: Instance
) -> dict[str, Any]:
    if refused is not None:
        told = _failure(refused.code, refused.facts, refused.field, form)
        return {**told, "fix_url": refused.fix_url, "steps": refused.steps}
    if tested is None or tested.examination.ok:
        return {}
    found = tested.examination
    told = _failure(found.code, found.facts, found.about, form)
    return {
        **told,
        "fix_url": fix_url(found, tested.found.host, instance.name),
        "owner": found.facts.get("owner", "") if found.about == "username" else "",
    }


def _failure(code: str, facts: Mapping[str, Any], about: str, form: TokenForm) -> dict[str, Any]:
    """What failed, in words; the sentence stands at its field as well."""
    problem = refusals.words(code, facts)
    field = _FIELDS.get(about, about)
    if field in form.fields:
        form.add_error(field, problem.detail)
    if field == "organization" and facts.get("choices"):
        form.offer_organizations(str(facts["choices"]).split(", "))
    platform = str(facts.get("platform", "")) or _("The platform")
    return {
        "code": code,
        "words": problem,
        "about": form[field].id_for_label if field in form.fields else "",
        "headline": _headline(code.split("-")[1], platform),
    }


def _headline(area: str, platform: str) -> str:
    if area == "SCOPE":
        told = _(
            "%(platform)s accepted the token, but it cannot do this job. Nothing has been saved."
        )
    elif area in ("NET", "TLS", "API"):
        told = _("We could not reach the server. Nothing has been saved.")
    elif area == "TOK":
        told = _("%(platform)s refused the token. Nothing has been saved.")
    else:
        told = _("Nothing has been saved.")
    return told % {"platform": platform}


def _ask_again(form: TokenForm) -> None:
    """Without JavaScript the page came back without the token, on purpose."""
    if "token" in form.fields and not form.has_error("token"):
        form.add_error("token", refusals.words("X-FORM-02", {}).detail)


def _notice(hint: Hint) -> dict[str, str]:
    return {"code": hint.code, "text": refusals.words(hint.code, hint.facts).detail}
