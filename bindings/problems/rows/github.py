"""Sentences of GitHub alone."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from bindings.problems.words import error, info, warning

ROWS = (
    error(
        "SCOPE-01",
        _(
            "GitHub did not grant repo, so private repositories cannot be read. Ask again and "
            "allow it."
        ),
    ),
    error(
        "SCOPE-02",
        _(
            "GitHub did not grant admin:repo_hook. Automatic builds will not work. Ask again, or "
            "bind for manual builds."
        ),
    ),
    warning(
        "SCOPE-03",
        _("Without read:org we cannot name the organizations that hide repositories."),
    ),
    error(
        "USER-03",
        _("Only repositories of personal accounts can be used here; {owner} is an organization."),
    ),
    warning(
        "ORG-01",
        _(
            "{org} has not approved this app. Its repositories appear after an owner approves. "
            "Ask for approval."
        ),
    ),
    warning("ORG-02", _("{org} asks for single sign-on. Open this link, sign in, then refresh.")),
    warning(
        "ORG-03",
        _("GitHub sent a partial list: {n} organizations are left out until you sign in there."),
    ),
    info(
        "TOK-08",
        _(
            "The connection to GitHub was ended: removed under Settings > Applications, unused "
            "for a year, or published by accident."
        ),
    ),
    warning(
        "TOK-12",
        _(
            "GitHub keeps 10 sign-ins per account and app. This account is bound {n} times; the "
            "oldest may stop."
        ),
    ),
    info("TOK-10", _("The refresh token ended: it was not used for 6 months.")),
    info(
        "EXP-03",
        _("No end date. GitHub ends it when it is unused for one year; our checks count as use."),
    ),
    warning(
        "RATE-02",
        _("All tools of {login} share 5,000 GitHub requests an hour; {n} are left. We slow down."),
    ),
    error(
        "HOOK-05",
        _("{path} has 20 webhooks for this event, the most GitHub allows. Remove one there."),
    ),
    info(
        "HOOK-09",
        _(
            "GitHub may send nothing for a push of many tags at once. We look for missed pushes "
            "ourselves."
        ),
    ),
    error("OAUTH-06", _("GitHub has suspended this portal's app. Your operator has been told.")),
    warning(
        "API-02",
        _("This is GitHub Enterprise Server {version}; we know versions from 3.17. It may work."),
    ),
)
