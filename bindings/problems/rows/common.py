"""Sentences that several platforms share; `{platform}` is filled in with the label."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from bindings.problems.words import error, info, warning

EVERY = (
    error(
        "ADDR-03",
        _(
            "We cannot find {host}. Check the spelling, or whether the name works outside your "
            "network."
        ),
        "address",
    ),
    error(
        "NET-01",
        _("The server did not answer in {n} seconds. If it is behind a firewall, allow {egress}."),
        "address",
    ),
    error(
        "NET-02",
        _("The server refused the connection on port {port}. Check the port."),
        "address",
    ),
    error(
        "NET-03",
        _("The connection broke off before the answer was complete. Try again."),
        "address",
    ),
    error(
        "TLS-01",
        _("The certificate is signed by an authority we do not know. {policy_hint}"),
        "address",
    ),
    error(
        "TLS-02",
        _("The certificate ended on {date}. Ask the owner of the server to renew it."),
        "address",
    ),
    error("TLS-03", _("The certificate is for {names}, not {host}."), "address"),
    error(
        "API-01",
        _("This does not look like {platform}: its API did not answer as expected."),
        "address",
    ),
    warning(
        "API-02",
        _("This is {platform} {version}. Some things cannot be found out on it: {list}."),
        "address",
    ),
    error(
        "API-03",
        _(
            "{platform} has a problem of its own ({status}). Your account is not the cause. We "
            "will try again."
        ),
    ),
    error("API-04", _("{platform} sent an answer we cannot read. We will try again.")),
    error("API-05", _("{platform} has removed a function we use. Your operator has been told.")),
    error(
        "TOK-01",
        _("{platform} does not accept this token. It may be mistyped, ended or revoked."),
        "token",
    ),
    error("TOK-04", _("This token already ended on {date}."), "token"),
    warning("TOK-05", _("This token ends in {n} days."), "token"),
    error(
        "TOK-07",
        _("A token has no spaces or line breaks and 8 to 1,024 characters. Copy it again."),
        "token",
    ),
    info("TOK-08", _("{platform} refused the credential twice, last on {time}.")),
    info("TOK-09", _("The stored credential cannot be decrypted (key {key}).")),
    error("SCOPE-01", _("This access cannot read your repositories. Missing: {scopes}."), "token"),
    error(
        "SCOPE-02",
        _("Without {scopes} we cannot add webhooks. You can bind it for manual builds."),
        "token",
    ),
    error("USER-02", _("The account {login} is blocked on {platform}.")),
    error(
        "ACC-01",
        _(
            "This is {new}, but the binding belongs to {old}. Use {old}, or unbind first, or "
            "switch account."
        ),
    ),
    info("ACC-02", _("This account is also bound elsewhere.")),
    error("ACC-04", _("{new} cannot see {n} repositories that are in use. Nothing was changed.")),
    error(
        "DUP-01",
        _(
            "{platform} is already bound to {login} on this instance. Unbind it first, or switch "
            "account."
        ),
    ),
    error("OFF-01", _("{platform} is not switched on here. Ask your operator.")),
    error("OFF-02", _("{platform} is not available in region {region}.")),
    warning("REPO-01", _("{login} can reach no repository, so there is nothing to build yet.")),
    error("REPO-02", _("{path} does not exist, or {login} cannot see it."), "repository"),
    error(
        "REPO-03",
        _("{path} is archived. It can be cloned, but not built automatically."),
        "repository",
    ),
    error("REPO-04", _("{path} is empty: it has no commit yet."), "repository"),
    error("REF-01", _("There is no branch, tag or commit {ref} in {path}."), "ref"),
    warning(
        "EXP-01",
        _("{platform} did not tell us when this ends. Enter the date so that we can warn you."),
        "expires_on",
    ),
    error("EXP-02", _("Choose a date between tomorrow and {max}."), "expires_on"),
    warning(
        "HOOK-01",
        _("{platform} may not reach us, so automatic builds may not start. Manual builds work."),
    ),
    error(
        "HOOK-02",
        _("{login} is {role} in {path}. Adding a webhook needs {needed}."),
        "repository",
    ),
    info("HOOK-03", _("The webhook of {path} is gone from {platform}.")),
    info(
        "HOOK-04",
        _("The webhook of {path} was changed on {platform}; its secret or address is not ours."),
    ),
    error(
        "HOOK-05",
        _("{path} has as many webhooks as {platform} allows ({n}). Remove one there."),
        "repository",
    ),
    error("HOOK-08", _("{platform} cannot send a test. Push a commit to try it.")),
    error("CLONE-01", _("Listing works, but cloning {path} failed.")),
    error("RATE-01", _("{platform} asks us to wait {n} seconds. We will try again by ourselves.")),
    error(
        "ROT-01",
        _("{platform} will not renew this credential by itself. Make a new one and replace it."),
    ),
    error(
        "ROT-02",
        _(
            "We asked {platform} for a new credential and got no answer. We are finding out; "
            "nothing is lost yet."
        ),
    ),
)
OAUTH = (
    error("OAUTH-01", _("You cancelled on {platform}. Nothing changed.")),
    error(
        "OAUTH-02",
        _("This took too long, was used already, or started in another browser. Start again."),
    ),
    error(
        "OAUTH-03",
        _("{platform} does not recognise this portal's app. Your operator has been told."),
    ),
    error("OAUTH-04", _("{platform} did not accept the code it gave us. Start again.")),
    error(
        "OAUTH-05",
        _("{platform} did not answer while you were coming back. Nothing changed; start again."),
    ),
)
TYPED_ADDRESS = (
    error("ADDR-01", _("Enter a full address that starts with https:// or http://."), "address"),
    info(
        "ADDR-02",
        _(
            "You pasted a project link. We kept the server part and will preselect {path} after "
            "binding."
        ),
        "address",
    ),
    error(
        "ADDR-04",
        _(
            "This address is inside a private network and is not allowed here. Ask your operator "
            "to allow it."
        ),
        "address",
    ),
    error("ADDR-05", _("Take the user name and password out of the address."), "address"),
    error(
        "ADDR-06",
        _("HTTPS works on port 443 only. Remove :{port}, or use http:// if the server has it."),
        "address",
    ),
    error(
        "ADDR-07",
        _(
            "HTTP port {port} is not allowed. Allowed: 80, 21, 443, 70, 210, 280, 488, 591, 777, "
            "1025 to 65535."
        ),
        "address",
    ),
    error("ADDR-08", _("This server belongs to your operator's list. Choose it there."), "address"),
    error("ADDR-09", _("The server sends us on to {new}. Enter that address."), "address"),
    warning(
        "HTTP-01",
        _("http:// sends the token unencrypted. Use https:// if the server has it."),
        "address",
    ),
)
