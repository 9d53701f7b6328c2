"""The portal as gunicorn serves it, with one more address that does nothing: the reference."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.urls import path

from portal.wsgi import application

NO_OP = "no-op"


def _no_op(request: HttpRequest) -> HttpResponse:
    request.read()
    return HttpResponse(status=204)


def _open() -> None:
    from portal import urls

    urls.urlpatterns.insert(0, path(f"hooks/{NO_OP}", _no_op))


_open()

__all__ = ["application"]
