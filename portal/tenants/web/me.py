"""What a reader chooses for themselves: language and theme. Both are POSTs that lead back."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_POST

from portal.ground import choices, turns
from portal.tenants.models import User
from portal.tenants.services import members


@require_POST
def language(request: HttpRequest) -> HttpResponse:
    """Remember the language in this browser and, when signed in, in the profile."""
    response = redirect(turns.safe_next(request, "/"))
    chosen = request.POST.get("language", "")
    if chosen in dict(settings.LANGUAGES):
        choices.remember_language(response, chosen)
        if isinstance(request.user, User):
            members.speak(person=request.user, language=chosen)
    return response


@require_POST
def theme(request: HttpRequest) -> HttpResponse:
    """Remember the theme in this browser; "" follows the system."""
    response = redirect(turns.safe_next(request, "/"))
    chosen = request.POST.get("theme", "")
    if chosen in ("", *choices.THEMES):
        choices.remember_theme(response, chosen)
    return response
