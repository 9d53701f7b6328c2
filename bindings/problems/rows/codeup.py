"""Sentences of Codeup alone."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from bindings.problems.words import error, info, warning

ROWS = (
    error(
        "TOK-01",
        _(
            "Codeup does not accept this token. Create one under Personal Settings > Personal "
            "access token."
        ),
        "token",
    ),
    error(
        "TOK-02",
        _("This looks like a {other} token. Codeup tokens usually start with pt-."),
        "token",
    ),
    error(
        "TOK-03",
        _("This looks like your HTTPS password. Paste the personal access token."),
        "token",
    ),
    error(
        "SCOPE-01",
        _("Missing: Code repositories read-only. Edit the token in Codeup, then test again."),
        "token",
    ),
    error(
        "SCOPE-02",
        _(
            "Missing: Webhook read/write. Edit the token in Codeup and test again, or bind for "
            "manual builds."
        ),
        "token",
    ),
    error(
        "SCOPE-03",
        _(
            "Missing: Organization members or departments read-only. Without them we cannot find "
            "your organization; enter its id or edit the token."
        ),
        "token",
    ),
    error(
        "SCOPE-04",
        _("Missing: Branches or Tags read-only. Edit the token in Codeup, then test again."),
        "token",
    ),
    error("ORG-01", _("This token works in {n} organizations. Choose one."), "organization"),
    error(
        "ORG-02",
        _("The token cannot see the organization {id}. Check the id (not the name)."),
        "organization",
    ),
    error(
        "ORG-03",
        _(
            "Codeup knows nothing at this address. Your organization may use the Region edition; "
            "ask your operator to add its address."
        ),
        "organization",
    ),
    warning("ORG-04", _("Some functions need a Codeup administrator; {login} is {role}.")),
    error(
        "CLONE-01",
        _("Cloning failed with this username. Find it under Personal Settings > HTTPS Password."),
        "clone_username",
    ),
    error(
        "CLONE-02",
        _(
            "The clone username is not your display name or e-mail. It is on the page HTTPS "
            "Password."
        ),
        "clone_username",
    ),
    warning(
        "EXP-01",
        _("Codeup did not tell us when this token ends. Enter the date so that we can warn you."),
        "expires_on",
    ),
    error("ROT-01", _("Codeup cannot renew a token by itself. Create a new one and replace it.")),
    error(
        "HOOK-02",
        _(
            "{login} is not an administrator of {path}. Only repository administrators can add "
            "webhooks."
        ),
        "repository",
    ),
    info(
        "HOOK-10",
        _(
            "Codeup sends only a shared word, so we read every push back from Codeup before "
            "building."
        ),
    ),
    info(
        "REV-01",
        _(
            "Codeup tokens cannot be revoked from here. Delete it under Personal Settings > "
            "Personal access token."
        ),
    ),
)
