"""How a person makes the token of each platform, step by step (`product.md` 3.5).

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
}
"""Platform → steps, each with the sentences that explain it. The first one has the button."""

USERNAMES: Mapping[str, Promise | str] = {
    "gitlab": _("Your GitLab username (with the @), not the display name under Profile > Name."),
}
"""Platform → where its user name is found."""
