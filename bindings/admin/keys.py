"""The page of the encryption keys: their ids and how many rows each seals; never a key."""

from __future__ import annotations

from django.contrib import admin
from django.http import HttpRequest
from django.template.response import TemplateResponse
from django.views.decorators.http import require_GET

from bindings.services.custody import keyring


@require_GET
def page(request: HttpRequest) -> TemplateResponse:
    """`/admin/keys/`."""
    context = {
        **admin.site.each_context(request),
        "title": "Encryption keys",
        "keys": keyring.table(),
    }
    return TemplateResponse(request, "admin/keys.html", context)
