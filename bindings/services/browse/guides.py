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
                " **Edit profile** or **Preferences** (older servers: **Settings**), then **Access"
                " Tokens** in the left pane."
            ),
            _("On GitLab.com you sign in at https://gitlab.com/users/sign_in."),
        ),
        (
            _("Fill in **Name**, **Expires at** and **Scopes**."),
            _("Any name will do; {name} is one you will know again."),
            _("Choose a sensible end date. We warn you 30, 14, 7, 3 and 1 days before."),
            _(
                "Best is the longest the server allows, normally a year. The token stops at 00:00"
                " UTC of its date."
            ),
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
            _(
                "Press **Create personal access token** (some versions: **Create**), and paste the"
                " token here."
            ),
            _(
                "The token must be an access token. The platform shows it once: copy it before you"
                " leave the page."
            ),
            _("We do not show it again either."),
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
        ),
        (
            _(
                "Code management: Code repositories read-only, Branches read-only, Tags read-only,"
                " Webhook read/write."
            ),
        ),
        (
            _(
                "Set **Token Name** and **Expired At**, press **New**, read the **Security Tip**"
                " and press **OK, I understand the risks**."
            ),
            _("Any name will do; {name} is one you will know again."),
            _("The token is then shown on the page: copy it and keep it."),
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
            _("Any name will do; {name} is one you will know again."),
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
"""Platform → steps, each with the sentences that explain it. The first one has the button. `{name}`
is what the token could be called (product.md R5.2)."""

NEEDS: Mapping[str, tuple[tuple[tuple[str, ...], Promise | str], ...]] = {
    "gitlab": (
        (("api",), _("List, clone, webhooks: everything.")),
        (
            (
                "read_api",
                "read_repository",
            ),
            _("List and clone; builds are started by hand."),
        ),
    ),
    "codeup": (
        (
            (
                "read:org",
                "read:user",
            ),
            _("Organization members read-only"),
        ),
        (("read:group",), _("Organization departments read-only")),
        (("read:repo",), _("Code repositories read-only")),
        (("read:repo:branch",), _("Branches read-only")),
        (("read:repo:tag",), _("Tags read-only")),
        (
            (
                "read:repo:webhook",
                "write:repo:webhook",
            ),
            _("Webhook read/write"),
        ),
    ),
    "gitea": (
        (("read:user",), _("Know which account this is.")),
        (
            ("write:repository",),
            _("List and clone repositories, add and remove our build webhook."),
        ),
        (("read:organization",), _("Show repositories of your organizations.")),
    ),
}
"""Platform → the least its token needs: ids as they stand on the platform's page or, for Codeup, as
older pages have them, and what each is for (product.md R5.4, R5.9)."""

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

_ACCOUNT = _("Your profile tells us whose account it is. All of it serves this instance only.")

BEFORE_CONSENT: Mapping[str, tuple[Promise | str, ...]] = {
    "github": (
        _(
            "GitHub says what is asked for: repositories, personal information and other account"
            " data. Press **Authorize**."
        ),
        _(
            "Using organization repositories? On GitHub's page press Grant or Request beside each"
            " organization."
        ),
        _("GitHub shows this page the first time only, and may lead you back at once."),
        _ACCOUNT,
    ),
    "gitee": (_("On Gitee's page press **授权** (Authorize)."), _ACCOUNT),
    "bitbucket": (
        _(
            "Bitbucket asks for your e-mail address and password, then shows **Confirm access to"
            " your account**: review it and press **Grant access**."
        ),
        _ACCOUNT,
    ),
    "gitlab": (_("On GitLab's page press **Authorize**."), _ACCOUNT),
    "gitea": (
        _("On Gitea's page press **Authorize Application**."),
        _("Gitea shows this page the first time only, and may lead you back at once."),
        _ACCOUNT,
    ),
}
"""Platform → what happens on its consent page (product.md R5.11 to R5.13), what to look out for."""


LINKED: Mapping[str, Promise | str] = {
    "github": _("You have successfully linked your GitHub account."),
}
"""Platform → its own sentence of success; the others share one (product.md R8.2, R8.3)."""
