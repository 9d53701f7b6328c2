"""Sentences of Bitbucket alone."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from bindings.problems.words import error, info, warning

ROWS = (
    error(
        "SCOPE-01",
        _(
            "This portal's Bitbucket app lacks repository, so repositories cannot be read. Your "
            "operator has been told."
        ),
    ),
    error(
        "SCOPE-02",
        _(
            "This portal's Bitbucket app lacks webhook. Automatic builds will not work. You can "
            "bind for manual builds."
        ),
    ),
    error(
        "SCOPE-03",
        _(
            "This portal's Bitbucket app lacks account, so we cannot tell who you are. Your "
            "operator has been told."
        ),
    ),
    warning("ORG-01", _("{login} belongs to no workspace. Join one or create one on Bitbucket.")),
    warning("ORG-02", _("The workspace {org} does not let this app in. Ask its administrator.")),
    info("TOK-08", _("Bitbucket ended the connection: removed under App authorizations.")),
    info(
        "TOK-10",
        _(
            "Bitbucket refused the refresh token. It ends when unused for 3 months, or after "
            "being used twice. Reconnect."
        ),
    ),
    info("EXP-03", _("Renews itself: Bitbucket's access lasts about 2 hours and we renew it.")),
    error(
        "API-05",
        _(
            "Bitbucket has switched a function off ({change}). Your token is fine; your operator "
            "has been told."
        ),
    ),
    warning(
        "HOOK-01",
        _(
            "Bitbucket only delivers to public addresses, and this portal's address is not "
            "public. Automatic builds will not start."
        ),
    ),
    info(
        "HOOK-09",
        _(
            "Bitbucket sends nothing when a push's message is over 256 KB. We look for missed "
            "pushes ourselves."
        ),
    ),
    info(
        "ACC-03",
        _(
            "We recognise the account by its number; its name on Bitbucket changed from {old} to "
            "{new}."
        ),
    ),
)
