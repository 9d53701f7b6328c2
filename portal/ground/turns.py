"""Sending a reader to another page, and back: whole pages, and only ever pages of ours."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import urlsplit

from django.http import HttpRequest, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.utils.http import url_has_allowed_host_and_scheme
from django_htmx.http import HttpResponseClientRedirect


def to(request: HttpRequest, url: str) -> HttpResponseBase:
    """A redirect of the whole page, also when htmx asked for a part of it."""
    if request.headers.get("HX-Request") == "true":
        return HttpResponseClientRedirect(url)
    return HttpResponseRedirect(url)


def came_from(request: HttpRequest) -> str:
    """The path of the page the reader is on: of the form for a POST, of the page for a part."""
    on_it = request.method == "GET" and request.headers.get("HX-Request") != "true"
    page = "" if on_it else request.headers.get("HX-Current-URL") or request.headers.get("Referer")
    if not page or not _ours(request, page):
        return request.get_full_path()
    parts = urlsplit(page)
    return f"{parts.path}?{parts.query}" if parts.query else parts.path


def safe_next(request: HttpRequest, otherwise: str) -> str:
    """The path in the form's `next`, if it leads to a page of ours; else `otherwise`."""
    wanted = request.POST.get("next", "")
    # A path of ours, and nothing a browser would read as a host or strip before it reads.
    if wanted.startswith("/") and wanted.isprintable() and _ours(request, wanted):
        return wanted
    return otherwise


def _ours(request: HttpRequest, url: str) -> bool:
    return url_has_allowed_host_and_scheme(
        url, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    )


def forms_may_lead_to(response: HttpResponseBase, addresses: Iterable[str]) -> None:
    """Let the forms of this page lead to the sites of `addresses` as well, by a redirect of ours.

    Chromium applies form-action to the redirect after a POST too (security.md 13).
    """
    parts = [urlsplit(address) for address in addresses]
    origins = {f"{part.scheme}://{part.netloc}" for part in parts}
    if origins:
        # django-csp's own place for what one page adds to the policy of all.
        response._csp_update = {"form-action": sorted(origins)}  # type: ignore[attr-defined]  # django-csp reads it
