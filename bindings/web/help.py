"""Help: one public page per error code and language, one per platform, and the index."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET

from bindings import problems
from bindings.models import Binding, Check
from bindings.problems import Problem
from bindings.services.browse import guides, offers
from bindings.services.browse.specs import (
    LABELS,
    ORDER,
    PLACES,
    SCOPES_ASKED,
    VERSIONS,
    people_bind,
    spec_of,
)
from bindings.web import markdown, shown
from bindings.web.sources import READ
from bindings.web.token_form import by_hand
from bindings.web.window import success
from portal.ground import refusals, rls
from portal.ground.refusals import NotYours, Refusal
from portal.tenants import access
from portal.tenants.models import User


@require_GET
def index(request: HttpRequest) -> HttpResponse:
    """The way in: the codes, and the platforms with their versions, methods and limits."""
    context = {
        "section": "help",
        "navigation": _menu(),
        "crumbs": [(_("Help"), "")],
        "platforms": [platform(slug) for slug in ORDER],
    }
    return TemplateResponse(request, "help/index.html", context)


@require_GET
def provider(request: HttpRequest, provider: str) -> HttpResponse:
    """How a platform is bound: method, token guide, address rules, what is asked and why."""
    spec = spec_of(provider)
    if spec is None:
        raise NotYours
    context = {
        "section": provider,
        "navigation": _menu(),
        "crumbs": [(_("Help"), reverse("help")), (LABELS[provider], "")],
        **platform(provider),
        "prefix": spec.prefix,
        "guide": by_hand(provider, "mooring-{instance}"),
        "consent": [markdown.inline(str(line)) for line in guides.BEFORE_CONSENT.get(provider, ())],
        "by_platform": not people_bind(provider),
        "success": success(provider),
        "egress": {
            "portal": settings.MOORING_EGRESS_RANGES,
            "builders": settings.MOORING_BUILDER_RANGES,
        },
        "scopes": SCOPES_ASKED.get(provider, {}).items() if "oauth" in spec.methods else (),
        "takes_address": "base_url" in spec.asks,
        "remarks": [said for (slug, _field), said in guides.FIELDS.items() if slug == provider],
        "profile": settings.MOORING_PROFILE,
    }
    return TemplateResponse(request, "help/provider.html", context)


@require_GET
def errors(request: HttpRequest) -> HttpResponse:
    """All codes, searchable by code or by pasted text."""
    wanted = request.GET.get("q", "").strip()[:200]
    found = [_line(problem) for problem in problems.ALL.values()]
    if wanted:
        found = [line for line in found if _matches(line, wanted)]
    context = {
        "section": "codes",
        "navigation": _menu(),
        "crumbs": [(_("Help"), reverse("help")), (_("Error codes"), "")],
        "lines": found,
        "wanted": wanted,
    }
    return TemplateResponse(request, "help/errors.html", context)


@require_GET
def error(request: HttpRequest, code: str) -> HttpResponse:
    """What one code means, why it comes, what to do; and what we saw, for who may see it."""
    problem = problems.ALL.get(code)
    if problem is None:
        raise NotYours
    all_codes = (_("Error codes"), reverse("help-errors"))
    context = {
        "section": "codes",
        "navigation": _menu(),
        "crumbs": [(_("Help"), reverse("help")), all_codes, (code, "")],
        "code": code,
        "words": refusals.words(code, {}),
        "body": markdown.to_html(problems.page(code, get_language() or "en")),
        **_seen(request, code),
    }
    return TemplateResponse(request, "help/error.html", context)


def _menu() -> list[tuple[str, str, str, str, int]]:
    """The help's own menu: it stands outside every tenant, and open to everybody."""
    known = [slug for slug in ORDER if spec_of(slug)]
    return [
        ("help", _("Help"), reverse("help"), "help", 0),
        ("codes", _("Error codes"), reverse("help-errors"), "search", 0),
        ("", _("Platforms"), "", "", 0),
        *((slug, LABELS[slug], reverse("help-provider", args=[slug]), "link", 0) for slug in known),
    ]


def platform(slug: str) -> dict[str, Any]:
    """One line of the table of platforms (product.md R2.1)."""
    spec = spec_of(slug)
    told = offers.told(spec) if spec else {}
    limits = []
    if told.get("owners") == "personal":
        limits.append(_("Repositories of personal accounts only"))
    if told.get("subgroup_triggers") == "manual":
        limits.append(_("Repositories in subgroups are built manually"))
    return {
        "slug": slug,
        "mono": problems.prefix_of(slug),
        "name": LABELS[slug],
        "place": PLACES[slug],
        "version": VERSIONS[slug],
        "methods": [problems.METHODS[method] for method in spec.methods] if spec else [],
        "limits": limits,
        "known": spec is not None,
    }


def _seen(request: HttpRequest, code: str) -> dict[str, Any]:
    """What a check of a binding saw, for a member who comes from its page."""
    person, slug = request.user, request.GET.get("tenant", "")
    if not isinstance(person, User) or not slug:
        return {}
    try:
        actor = access.enter(person, slug)
        live = Binding.objects.select_related("host", "instance")
        binding = access.get(actor, live, request.GET.get("binding", ""), READ)
    except Refusal:
        return {}
    with rls.tenant(binding.tenant_id):
        checks = Check.objects.of(binding.tenant_id).filter(binding=binding, code=code)
        last = checks.order_by("-started_at").first()
    steps = [step for step in shown.ladder(last) if step["code"] == code]
    return {
        "back_url": reverse("binding", args=[slug, binding.public_id]),
        "binding": binding,
        "platform": LABELS[binding.provider],
        "step": steps[0] if steps else None,
        "check": last,
    }


def _line(problem: Problem) -> dict[str, str]:
    words = refusals.words(problem.code, {})
    return {"code": problem.code, "title": words.title, "text": words.detail}


def _matches(line: dict[str, str], wanted: str) -> bool:
    """By code, or by the words both have: people paste what they saw, names and all."""
    lower = wanted.lower()
    if lower in line["code"].lower() or lower in line["text"].lower():
        return True
    pasted, known = set(lower.split()), set(line["text"].lower().split())
    return len(pasted & known) >= max(3, len(known) * 2 // 3)
