"""The repositories of a binding, and the branches and tags of one of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.http import HttpResponse, QueryDict
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods

from bindings import problems
from bindings.models import Binding
from bindings.services.browse import builds, missing, refs, repositories
from bindings.services.browse.repositories import Listed, Listing
from bindings.services.custody.use import usable
from bindings.web import shown
from bindings.web.binding import find, head
from bindings.web.forms import LinkForm
from portal.ground import refusals
from portal.ground.refusals import NotYours, Refusal
from portal.tenants.middleware import Request, reaches_provider

READ = "repositories:read"
_PAGE = 50
_MOST_REFS = 200  # shown of each; a search finds the others
_LONGEST = 100  # letters of a search, as in the API


@dataclass(frozen=True, slots=True)
class Wanted:
    """What somebody filters by. `itself`: the platform was asked to search."""

    q: str = ""
    group: str = ""
    hooks: bool = False
    itself: bool = False
    page: int = 1

    @classmethod
    def read(cls, query: QueryDict) -> Wanted:
        page = query.get("page", "")
        q = query.get("q", "").strip()[:_LONGEST]
        return cls(
            q=q,
            group=query.get("group", ""),
            hooks=query.get("hooks") == "1",
            itself=bool(q) and query.get("itself") == "1",
            page=int(page) if page.isdecimal() and len(page) < 6 and int(page) else 1,
        )

    def query(self, **changed: Any) -> str:
        """As the address has it, without what is as usual."""
        named: dict[str, Any] = {
            "q": self.q,
            "group": self.group,
            "hooks": "1" if self.hooks else "",
            "itself": "1" if self.itself else "",
            "page": "" if self.page == 1 else self.page,
        } | changed
        return urlencode({name: value for name, value in named.items() if value})

    @property
    def anything(self) -> bool:
        return bool(self.q or self.group or self.hooks)


def live(request: Request, public_id: str) -> Binding:
    """The binding of a page that needs one in service. Raises NotYours, NotAllowed."""
    binding = find(request.actor, public_id, READ)
    if binding.unbound_at is not None:
        raise NotYours
    return binding


@require_GET
@reaches_provider  # its services open their own scopes; it asks nobody
def listing(request: Request, tenant: str, public_id: str) -> HttpResponse:
    """The last good list. Where that is missing or old, the page asks for a newer one by itself
    once it is open."""
    binding, wanted = live(request, public_id), Wanted.read(request.GET)
    found = repositories.last(binding=binding, searched=wanted.q if wanted.itself else "")
    works = shown.usable(binding)
    context = {
        **head(request, binding, timezone.now()),
        **_listed(request, binding, wanted, found),
        "tab": "repositories",
        "asks": works and (found is None or not (found.fresh or found.stale)),
        "form": LinkForm(),
    }
    return TemplateResponse(request, "bindings/repositories.html", context)


@require_http_methods(["GET", "POST"])
@reaches_provider
def refresh(request: Request, tenant: str, public_id: str) -> HttpResponse:
    """Ask the platform: a POST always, a GET where the list is older than ten minutes. htmx gets
    the list itself, everybody else is led back to its page."""
    binding = live(request, public_id)
    wanted = Wanted.read(request.POST if request.method == "POST" else request.GET)
    found, refused = None, None
    try:
        found = _asked(binding, wanted, fresh=request.method == "POST")
    except Refusal as told:
        refused = told
    if request.headers.get("HX-Request") != "true":
        if refused is not None:
            messages.error(request, refusals.words(refused.code, refused.facts).detail)
        page = reverse("repositories", args=[tenant, public_id])
        return redirect(f"{page}?{wanted.query()}")
    context = {
        **head(request, binding, timezone.now()),
        **_listed(request, binding, wanted, found, refused),
        "part": True,
    }
    return TemplateResponse(request, "bindings/repositories_part.html", context)


def _asked(binding: Binding, wanted: Wanted, *, fresh: bool) -> Listing:
    if wanted.itself:
        return repositories.search(binding=binding, q=wanted.q, fresh=fresh)
    return repositories.repositories(binding=binding, fresh=fresh)


def _listed(
    request: Request,
    binding: Binding,
    wanted: Wanted,
    found: Listing | None,
    refused: Refusal | None = None,
) -> dict[str, Any]:
    rows = list(_chosen(found, wanted)) if found else []
    first = (wanted.page - 1) * _PAGE
    page, starts = rows[first : first + _PAGE], {}
    if page:
        starts = builds.of(binding, [row.id for row in page])
    return {
        "wanted": wanted,
        "found": found,
        "total": len(found.rows) if found else 0,
        "matches": len(rows),
        "rows": [_row(request, binding, row, starts.get(row.id, builds.NONE)) for row in page],
        "groups": _groups(found.rows) if found else [],
        "refused": refusals.words(refused.code, refused.facts) if refused else None,
        "shown_from": first + 1,
        "shown_to": first + len(page),
        "newer_url": f"?{wanted.query(page=wanted.page - 1)}" if wanted.page > 1 else "",
        "older_url": f"?{wanted.query(page=wanted.page + 1)}" if rows[first + _PAGE :] else "",
        "query": wanted.query(),
        "whole_url": f"?{wanted.query(itself='')}",
        "hidden": _hidden(found) if found else None,
        "needed": missing.needed(binding),
        "usable": shown.usable(binding),
    }


def _chosen(found: Listing, wanted: Wanted) -> Sequence[Listed]:
    q = "" if wanted.itself else wanted.q
    rows = repositories.select(found.rows, q=q, archived="all", hooks=wanted.hooks or None)
    if not wanted.group:
        return list(rows)
    return [row for row in rows if row.path.startswith(f"{wanted.group}/")]


def _groups(rows: Sequence[Listed]) -> list[tuple[str, int]]:
    """Every group with how many repositories are in it and below it."""
    count: dict[str, int] = {}
    for row in rows:
        parts = row.path.split("/")[:-1]
        for depth in range(1, len(parts) + 1):
            group = "/".join(parts[:depth])
            count[group] = count.get(group, 0) + 1
    return sorted(count.items(), key=lambda one: one[0].lower())


def _hidden(found: Listing) -> dict[str, Any] | None:
    """Whose repositories the platform does not show this app, and where that can be changed."""
    if not found.hidden:
        return None
    names = [part["organization"] for part in found.hidden if part["organization"]]
    return {
        "n": len(found.hidden),
        "names": ", ".join(names),
        "fix_url": next((part["fix_url"] for part in found.hidden if part["fix_url"]), ""),
        "code": found.hidden[0]["code"],
    }


def _row(request: Request, binding: Binding, row: Listed, starts: builds.Builds) -> dict[str, Any]:
    return {"row": row, "starts": starts, **_automatic(binding, row, starts)}


def _automatic(binding: Binding, row: Listed, starts: builds.Builds) -> dict[str, Any]:
    """The pill of automatic builds: tone, word, and in one sentence why not."""
    prefix = problems.prefix_of(binding.provider)
    reason = ""
    if row.trigger_mode_reason:
        facts = {"login": binding.account_login, "path": row.path, "role": row.access_name}
        reason = refusals.words(row.trigger_mode_reason, facts).detail
    if starts.hook is not None:
        return _of_hook(starts) | {"reason": ""}
    word = {
        f"{prefix}-REPO-03": _("Archived"),
        f"{prefix}-HOOK-07": _("Manual: in a subgroup"),
        f"{prefix}-HOOK-02": _("Needs %(role)s") % {"role": missing.needed(binding)},
    }.get(row.trigger_mode_reason or "", _("By hand") if reason else _("Off"))
    return {"tone": "", "symbol": "off", "word": word, "reason": reason}


def _of_hook(starts: builds.Builds) -> dict[str, Any]:
    assert starts.hook is not None  # noqa: S101 - asked for by its only caller
    tones = {
        "active": ("ok", "ok", _("On")),
        "unverified": ("info", "clock", _("On, nothing received yet")),
        "removing": ("", "off", _("Being turned off")),
    }
    tone, symbol, word = tones.get(starts.hook.status, ("warn", "warn", _("Needs attention")))
    return {"tone": tone, "symbol": symbol, "word": word}


@require_GET
@reaches_provider
def one(request: Request, tenant: str, public_id: str, repository: str) -> HttpResponse:
    """Branches and tags of one repository, at most ten minutes old; `ref` is resolved anew."""
    binding = live(request, public_id)
    usable(binding)
    q, ref = request.GET.get("q", "").strip()[:_LONGEST], request.GET.get("ref", "").strip()[:300]
    fresh = request.GET.get("fresh") == "1"
    row = repositories.repository(binding=binding, key=repository)
    branches, kept = refs.branches(binding=binding, repository=row.id, q=q, fresh=fresh)
    tags, _kept = refs.tags(binding=binding, repository=row.id, q=q, fresh=fresh)
    found, refused = _resolved(binding, row.id, ref) if ref else (None, None)
    starts = builds.of(binding, [row.id]).get(row.id, builds.NONE)
    context = {
        **head(request, binding, timezone.now()),
        **_row(request, binding, row, starts),
        "tab": "repositories",
        "q": q,
        "ref": ref,
        "branches": branches[:_MOST_REFS],
        "tags": tags[:_MOST_REFS],
        "counts": (len(branches), len(tags)),
        "most": _MOST_REFS,
        "kept": kept,
        "resolved": found,
        "refused": refused,
    }
    return TemplateResponse(request, "bindings/repository.html", context)


def _resolved(
    binding: Binding, repository: str, ref: str
) -> tuple[refs.Ref | None, refusals.Words | None]:
    try:
        return refs.resolve(binding=binding, repository=repository, ref=ref), None
    except Refusal as told:
        return None, refusals.words(told.code, told.facts)
