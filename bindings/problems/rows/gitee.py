"""Sentences of Gitee alone."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from bindings.problems.words import error, info, warning

ROWS = (
    error(
        "SCOPE-01",
        _("Gitee did not grant projects, so repositories cannot be read. Ask again and allow it."),
    ),
    error(
        "SCOPE-02",
        _(
            "Gitee did not grant hook. Automatic builds will not work. Ask again, or bind for "
            "manual builds."
        ),
    ),
    warning("SCOPE-03", _("Without groups, repositories of organizations are not shown.")),
    info("TOK-13", _("Gitee says the access token has ended. We renew it.")),
    info(
        "TOK-08",
        _(
            "Gitee ended the connection: removed under Settings > Third-party applications, or "
            "the password was changed."
        ),
    ),
    info("TOK-10", _("Gitee refused the refresh token. Reconnect with the same account.")),
    info("EXP-03", _("Renews itself: Gitee's access lasts one day and we renew it.")),
    warning(
        "ORG-01",
        _(
            "The enterprise {org} does not let third-party apps see its repositories. Ask its "
            "administrator."
        ),
    ),
    info(
        "REPO-05",
        _("Public repositories of others are not listed. Only those you own or belong to."),
    ),
    info(
        "HOOK-10",
        _(
            "Gitee's signature does not cover the content, so we read every push back from Gitee "
            "before building."
        ),
    ),
    error(
        "OAUTH-06",
        _("Gitee says this portal's app may not ask for {scope}. Your operator has been told."),
    ),
)
