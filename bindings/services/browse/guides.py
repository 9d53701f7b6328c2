"""What people read about each platform where they bind it: how to make the token, step by step
(`product.md` 3.5), where to find a name, what to look out for.

`**…**` marks what is written on the platform's own page.
"""

from __future__ import annotations

from collections.abc import Mapping

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

STEPS: Mapping[str, tuple[tuple[Promise | str, ...], ...]] = {
    "gitlab": (
        (_("Open the token page. Name and scope are filled in for you."),),
        (
            _(
                "If the form is empty: sign in there, click your picture at the top right, choose"
                " **Edit profile** (older servers: **Settings**), then **Access Tokens**."
            ),
        ),
        (
            _("Fill in **Name** and **Expires at**."),
            _("Choose a sensible end date. We warn you 30, 14, 7, 3 and 1 days before."),
        ),
        (
            _(
                "Tick **api**. Without it we cannot read your repositories or set the webhook that"
                " starts builds."
            ),
            _(
                "read_registry only pulls container images. read_api and read_repository are enough"
                " for manual builds."
            ),
        ),
        (
            _("Press **Create personal access token**, and paste the token here."),
            _(
                "The token must be an access token. The platform shows it once: copy it before you"
                " leave the page."
            ),
        ),
    ),
    "codeup": (
        (
            _(
                "In Codeup open Personal Settings > Personal access token > New Token. Tick at"
                " least:"
            ),
        ),
        (
            _(
                "Organization management: Organization members read-only, Organization departments"
                " read-only."
            ),
            "(read:org, read:group, read:user)",
        ),
        (
            _(
                "Code management: Code repositories read-only, Branches read-only, Tags read-only,"
                " Webhook read/write."
            ),
            "(read:repo, read:repo:branch, read:repo:tag, read:repo:webhook, write:repo:webhook)",
        ),
        (
            _(
                "Set **Token Name** and **Expired At**, press **New**, read the **Security Tip**"
                " and press **OK, I understand the risks**."
            ),
            _(
                "The token must be an access token. The platform shows it once: copy it before you"
                " leave the page."
            ),
        ),
        (_("Your clone username is under Personal Settings > HTTPS Password."),),
    ),
    "gitea": (
        (_("Open the token page of your server: **Settings**, then **Applications**."),),
        (
            _(
                "Under **Manage Access Tokens** give it a name and choose read:user,"
                " write:repository and read:organization."
            ),
            _("Older servers have no permissions to choose."),
        ),
        (
            _("Press **Generate Token**, and paste the token here."),
            _(
                "The token must be an access token. The platform shows it once: copy it before you"
                " leave the page."
            ),
        ),
    ),
}
"""Platform → steps, each with the sentences that explain it. The first one has the button."""

FIELDS: Mapping[tuple[str, str], Promise | str] = {
    ("gitlab", "username"): _(
        "Your GitLab username (with the @), not the display name under Profile > Name."
    ),
    ("codeup", "clone_username"): _(
        "Your clone username is under Personal Settings > HTTPS Password."
    ),
}
"""Platform, field → where a person finds what to type."""

PLACEHOLDERS: Mapping[str, str] = {"gitlab": "https://you-gitlab.com"}
"""Platform → an address that shows the form of one."""

BEFORE_CONSENT: Mapping[str, Promise | str] = {
    "github": _(
        "Using organization repositories? On GitHub's page press Grant or Request beside each"
        " organization."
    ),
}
"""Platform → what to look out for on its consent page."""

LINKED: Mapping[str, Promise | str] = {
    "github": _("You have successfully linked your GitHub account."),
}
"""Platform → its own sentence of success; the others share one (product.md R8.2, R8.3)."""
