"""Addresses of tenancy's pages. What needs a fresh sign-in is marked here."""

from __future__ import annotations

from django.urls import path

from portal.tenants.signin import recent_sign_in
from portal.tenants.web import chooser, me, terminal, tokens

urlpatterns = [
    path("", chooser.start, name="start"),
    path("t/", chooser.choose, name="tenants"),
    path("t/<slug:tenant>/tokens/", tokens.listed, name="tokens"),
    path("t/<slug:tenant>/tokens/new/", recent_sign_in(tokens.new), name="token_new"),
    path(
        "t/<slug:tenant>/tokens/<slug:token>/revoke/",
        recent_sign_in(tokens.revoke),
        name="token_revoke",
    ),
    path("terminal/", terminal.start, name="terminal_start"),
    path("terminal/token", terminal.collect, name="terminal_token"),
    path("t/<slug:tenant>/terminal/", recent_sign_in(terminal.approve), name="terminal"),
    path("me/language/", me.language, name="language"),
    path("me/theme/", me.theme, name="theme"),
]
