"""The repositories of a binding, and the branches and tags of one of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.http import HttpResponse, QueryDict
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from bindings.models import Binding
from bindings.services.browse import builds, refs, repositories
from bindings.services.browse.repositories import Listed, Listing
from bindings.services.custody.use import usable
from bindings.services.listen import hooks
from bindings.web import automatic, shown
from bindings.web.binding import find, head
from bindings.web.forms import LinkForm
from portal.ground import refusals, turns
from portal.ground.refusals import NotYours, Refusal
from portal.tenants.middleware import Request, reaches_provider

READ = "repositories:read"
HOOKS = "webhooks:write"
_PAGE = 50
_MOST_REFS = 100  # shown of each; a search finds the others
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
            page=max(1, int(page)) if page.isascii() and page.isdigit() and len(page) < 6 else 1,
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


def live(request: Request, public_id: str, scope: str = READ) -> Binding:
    """The binding of a page that needs one in service. Raises NotYours, NotAllowed."""
    binding = find(request.actor, public_id, scope)
    if binding.unbound_at is not None:
        raise NotYours
    return binding


def home(request: Request, binding: Binding) -> str:
    """The address of the list."""
    return reverse("repositories", args=[request.tenant.slug, binding.public_id])


def framed(request: Request, binding: Binding, *path: tuple[str, str]) -> dict[str, Any]:
    """The context of a page below the binding's tab Repositories. `path`: behind the platform."""
    found = head(request, binding, timezone.now())
    *before, (label, _here) = found["crumbs"]
    return {
        **found,
        "tab": "repositories",
        "crumbs": [*before, (label, found["back_url"]), *path],
        "list_url": home(request, binding),
    }


@require_GET
@reaches_provider  # its services open their own scopes; it asks nobody
def listing(request: Request, tenant: str, public_id: str) -> HttpResponse:
    """The last good list. Where that is missing or old, the page asks for a newer one by itself
    once it is open."""
    binding, wanted = live(request, public_id), Wanted.read(request.GET)
    found = repositories.last(binding=binding, searched=wanted.q if wanted.itself else "")
    old = found is None or not (found.fresh or found.stale)
    return _page(request, binding, wanted, found, asks=old and shown.usable(binding))


@require_http_methods(["GET", "POST"])
@reaches_provider
def refresh(request: Request, tenant: str, public_id: str) -> HttpResponse:
    """Ask the platform: a POST always, a GET where the list is older than ten minutes. htmx takes
    the list out of the page, everybody else is led back to it."""
    binding, posted = live(request, public_id), request.method == "POST"
    wanted = Wanted.read(request.POST if posted else request.GET)
    found, refused = None, None
    try:
        found = _asked(binding, wanted, fresh=posted)
    except Refusal as told:
        refused = told
    if request.headers.get("HX-Request") == "true":
        return _page(request, binding, wanted, found, refused)
    if refused is not None:
        messages.error(request, refusals.words(refused.code, refused.facts).detail)
    return redirect(f"{home(request, binding)}?{wanted.query(page='')}".rstrip("?"))


def _asked(binding: Binding, wanted: Wanted, *, fresh: bool) -> Listing:
    if wanted.itself:
        return repositories.search(binding=binding, q=wanted.q, fresh=fresh)
    return repositories.repositories(binding=binding, fresh=fresh)


def _page(
    request: Request,
    binding: Binding,
    wanted: Wanted,
    found: Listing | None,
    refused: Refusal | None = None,
    *,
    asks: bool = False,
) -> HttpResponse:
    context = {
        **framed(request, binding, (_("Repositories"), "")),
        **_listed(request, binding, wanted, found),
        "wanted": wanted,
        "found": found,
        "refused": refusals.words(refused.code, refused.facts) if refused else None,
        "asks": asks,
        "usable": shown.usable(binding),
        "form": LinkForm(auto_id="missing_%s"),
    }
    return TemplateResponse(request, "bindings/repositories.html", context)


def _listed(
    request: Request, binding: Binding, wanted: Wanted, found: Listing | None
) -> dict[str, Any]:
    rows = _chosen(found, wanted) if found else []
    first = (wanted.page - 1) * _PAGE
    page, more = rows[first : first + _PAGE], len(rows) > first + _PAGE
    starts = builds.of(binding, [row.id for row in page]) if page else {}
    return {
        "rows": [automatic.row(request.actor, binding, one, starts.get(one.id)) for one in page],
        "total": len(found.rows) if found else 0,
        "matches": len(rows),
        "from": first + 1,
        "to": first + len(page),
        "newer_url": f"?{wanted.query(page=wanted.page - 1)}" if wanted.page > 1 else "",
        "older_url": f"?{wanted.query(page=wanted.page + 1)}" if more else "",
        "query": wanted.query(),
        "groups": _groups(found.rows) if found else [],
        "hidden": _hidden(found.hidden) if found else None,
    }


def _chosen(found: Listing, wanted: Wanted) -> list[Listed]:
    q = "" if found.searched else wanted.q
    rows = repositories.select(found.rows, q=q, archived="all", hooks=wanted.hooks or None)
    inside = f"{wanted.group}/" if wanted.group else ""
    return [row for row in rows if row.path.startswith(inside)]


def _groups(rows: Sequence[Listed]) -> list[tuple[str, int]]:
    """Every group with how many repositories are in it and below it."""
    count: dict[str, int] = {}
    for row in rows:
        parts = row.path.split("/")[:-1]
        for depth in range(1, len(parts) + 1):
            group = "/".join(parts[:depth])
            count[group] = count.get(group, 0) + 1
    return sorted(count.items(), key=lambda one: one[0].lower())


def _hidden(parts: Sequence[Mapping[str, str]]) -> dict[str, Any] | None:
    """Whose repositories the platform does not show this app, and where that can be changed."""
    if not parts:
        return None
    return {
        "n": len(parts),
        "names": ", ".join(part["organization"] for part in parts if part["organization"]),
        "fix_url": next((part["fix_url"] for part in parts if part["fix_url"]), ""),
        "code": parts[0]["code"],
    }


@require_POST
@reaches_provider
def switch(request: Request, tenant: str, public_id: str) -> HttpResponseBase:
    """Turn automatic builds of one repository on, with a test, or off."""
    binding = live(request, public_id, HOOKS)
    name = request.POST.get("repository", "")
    try:
        if request.POST.get("to") == "off":
            _off(request, binding, name)
        else:
            _on(request, binding, name)
    except Refusal as refused:
        messages.error(request, refusals.words(refused.code, refused.facts).detail)
    return turns.to(request, turns.safe_next(request, home(request, binding)))


def _on(request: Request, binding: Binding, name: str) -> None:
    """A host that cannot send a test, or does not now, has the webhook all the same."""
    hook, _made = hooks.add(actor=request.actor, binding=binding, repository=name)
    done = _("The webhook of %(path)s is in place.") % {"path": hook.repository.path}
    try:
        hooks.test(actor=request.actor, hook=hook)
    except Refusal as refused:
        untested = _("It could not be tested:")
        why = refusals.words(refused.code, refused.facts).detail
        messages.warning(request, f"{done} {untested} {why}")
    else:
        tested = _("A test is on its way.")
        messages.success(request, f"{done} {tested}")


def _off(request: Request, binding: Binding, name: str) -> None:
    starts = builds.of(binding, [name]).get(name, builds.NONE)
    if starts.hook is None:
        raise NotYours
    _number, path = repositories.remote_of(binding=binding, key=name)
    hooks.remove(actor=request.actor, hook=starts.hook)
    done = _("Pushes to %(path)s start no builds any more.")
    messages.success(request, done % {"path": path})


@require_GET
@reaches_provider
def one(request: Request, tenant: str, public_id: str, repository: str) -> HttpResponse:
    """Branches and tags of one repository, at most ten minutes old; `ref` is asked for anew."""
    binding = live(request, public_id)
    usable(binding)
    q, ref = request.GET.get("q", "").strip()[:_LONGEST], request.GET.get("ref", "").strip()[:300]
    fresh = request.GET.get("fresh") == "1"
    row = repositories.repository(binding=binding, key=repository)
    branches, kept = refs.branches(binding=binding, repository=row.id, q=q, fresh=fresh)
    tags, _kept = refs.tags(binding=binding, repository=row.id, q=q, fresh=fresh)
    resolved, refused = _resolved(binding, row.id, ref) if ref else (None, None)
    starts = builds.of(binding, [row.id]).get(row.id)
    context = {
        **framed(request, binding, (_("Repositories"), home(request, binding)), (row.path, "")),
        "one": automatic.row(request.actor, binding, row, starts),
        "q": q,
        "ref": ref,
        "lists": [
            {"name": _("Branches"), "refs": branches[:_MOST_REFS], "count": len(branches)},
            {"name": _("Tags"), "refs": tags[:_MOST_REFS], "count": len(tags)},
        ],
        "most": _MOST_REFS,
        "kept": kept,
        "resolved": resolved,
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
