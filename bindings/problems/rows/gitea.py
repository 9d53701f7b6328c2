"""Sentences of Gitea and Forgejo alone."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from bindings.problems.words import error, info, warning

ROWS = (
    error(
        "API-01",
        _("This does not look like Gitea or Forgejo: /api/v1/version did not answer."),
        "address",
    ),
    warning(
        "API-02",
        _(
            "This is Gitea {version}. Scoped tokens came later; this token can do everything its "
            "owner can."
        ),
        "address",
    ),
    error(
        "TOK-02",
        _("This looks like a {other} token. Gitea tokens are 40 letters and digits."),
        "token",
    ),
    error(
        "TOK-03",
        _("This may be a password. Create a token under Settings > Applications."),
        "token",
    ),
    warning(
        "TOK-06",
        _("This token has all permissions. read:user and write:repository are enough."),
        "token",
    ),
    error(
        "SCOPE-01",
        _("Missing: read:repository. Create a token with it, then paste it here."),
        "token",
    ),
    error(
        "SCOPE-02",
        _("Without write:repository we cannot add webhooks. You can bind it for manual builds."),
        "token",
    ),
    error("SCOPE-03", _("Missing: read:user. We need it to know whose token this is."), "token"),
    warning(
        "SCOPE-04",
        _("This token is limited to public repositories. Private ones stay hidden."),
        "token",
    ),
    warning(
        "SCOPE-05",
        _("Without read:organization, some organization repositories may be missing."),
        "token",
    ),
    error("USER-01", _("The token belongs to {owner}, not {typed}. Use {owner}?"), "username"),
    info("EXP-04", _("Gitea tokens have no end date. They end when deleted.")),
    warning(
        "HOOK-01",
        _(
            "The server may not deliver to this portal. Its administrator may have to add {host} "
            "to the allowed webhook hosts."
        ),
    ),
    info("HOOK-06", _("The webhook of {path} is switched off on the server.")),
    error("ROT-01", _("Gitea cannot renew an access token. Create a new one and replace it.")),
    info(
        "REV-01",
        _("Gitea tokens cannot be revoked from here. Delete it under Settings > Applications."),
    ),
)
