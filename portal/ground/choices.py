"""What a browser remembers of a reader's choices: language and theme, each in its cookie."""

from __future__ import annotations

from typing import Final

from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase

THEMES: Final = ("light", "dark")
"""Beside "": like the system."""

_THEME = "mooring_theme"
_YEAR = 365 * 86_400


def remember_language(response: HttpResponseBase, language: str) -> None:
    """`language` is one of LANGUAGES."""
    _remember(response, settings.LANGUAGE_COOKIE_NAME, language)


def remember_theme(response: HttpResponseBase, theme: str) -> None:
    """`theme` is one of THEMES, or "" for the system's."""
    _remember(response, _THEME, theme)


def theme_of(request: HttpRequest) -> str:
    """The chosen theme, "" for the system's."""
    theme = request.COOKIES.get(_THEME, "")
    return theme if theme in THEMES else ""


def _remember(response: HttpResponseBase, name: str, value: str) -> None:
    response.set_cookie(
        name,
        value,
        max_age=_YEAR,
        secure=settings.LANGUAGE_COOKIE_SECURE,
        httponly=True,
        samesite="Lax",
    )
