"""Sentences of GitLab alone."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from bindings.problems.words import error, info, warning

ROWS = (
    error(
        "API-01",
        _("This does not look like GitLab: /api/v4 answered with a web page."),
        "address",
    ),
    warning(
        "API-02",
        _("This is GitLab {version}. It cannot tell us when a token ends; please enter the date."),
        "address",
    ),
    error(
        "TOK-02",
        _(
            "This looks like a {other} token. Paste one from GitLab; those usually start with "
            "glpat-."
        ),
        "token",
    ),
    error(
        "TOK-03",
        _(
            "This is a deploy token. It cannot list repositories or set webhooks. Use a "
            "personal, group or project access token."
        ),
        "token",
    ),
    warning(
        "TOK-06",
        _("This token has {scope}, far more than needed. Prefer one with api only."),
        "token",
    ),
    error(
        "SCOPE-01",
        _("This token has {scopes} only. Create one with api, then paste it here."),
        "token",
    ),
    error(
        "SCOPE-02",
        _("Without api we cannot add webhooks. You can bind it for manual builds."),
        "token",
    ),
    error(
        "SCOPE-03",
        _("This token can list but not clone. Add read_repository, or use api."),
        "token",
    ),
    error("USER-01", _("The token belongs to {owner}, not {typed}. Use {owner}?"), "username"),
    info(
        "USER-03",
        _("This is a {kind} access token; GitLab shows it as {login}. It sees only that {kind}."),
    ),
    warning(
        "ORG-01",
        _(
            "The group {group} limits access by address or single sign-on. Ask its owner to "
            "allow {egress}."
        ),
    ),
    warning(
        "REPO-01",
        _("The account is not a member of any project, so there is nothing to build yet."),
    ),
    info("HOOK-06", _("GitLab switched this webhook off after failed deliveries, until {time}.")),
    error(
        "HOOK-07",
        _("{path} is in a subgroup. Here such repositories can only be built manually."),
        "repository",
    ),
    info(
        "HOOK-09",
        _(
            "GitLab sends nothing for a push of more than 3 branches or tags at once. We look "
            "for missed pushes ourselves."
        ),
    ),
    error(
        "ROT-01",
        _(
            "GitLab will not let this token renew itself. It needs api or self_rotate, and "
            "GitLab 16.10 or newer."
        ),
    ),
)
