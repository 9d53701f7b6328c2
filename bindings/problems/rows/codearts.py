"""Sentences of CodeArts alone."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from bindings.problems.words import error, info

ROWS = (
    error(
        "LOCK-01",
        _("DevCloud is bound by default and cannot be removed here. Ask your operator."),
    ),
    error("OFF-01", _("Your operator has not connected a cloud account for this tenant.")),
    error("OFF-02", _("CodeArts Repo is not available in region {region}.")),
    error(
        "TOK-01",
        _(
            "Huawei Cloud refuses the platform's credential. This is not your fault; your "
            "operator has been told."
        ),
    ),
    info(
        "TOK-08",
        _("Huawei Cloud refused the platform's credential twice. Your operator has been told."),
    ),
    info(
        "TOK-10",
        _(
            "The platform's cloud token could not be renewed at {time}. We try again every few "
            "minutes."
        ),
    ),
    error(
        "SCOPE-01",
        _(
            "The cloud account may not read CodeArts Repo in this region. Your operator has to "
            "grant it."
        ),
    ),
    error("SCOPE-02", _("The cloud account may not add webhooks. Builds can be started manually.")),
    error("USER-02", _("The cloud account {login} is suspended or in arrears.")),
    info("EXP-03", _("Renews itself: the platform renews its cloud token about every 24 hours.")),
    error(
        "API-06",
        _(
            "Huawei Cloud rejects the request time. The clock of this server is wrong; your "
            "operator has been told."
        ),
    ),
    error(
        "CLONE-02",
        _("Huawei Cloud did not issue a short-lived clone token. Use a proxied lease."),
    ),
    error("HOOK-05", _("{path} has 20 webhooks, the most CodeArts allows. Remove one there.")),
    info(
        "HOOK-10",
        _("CodeArts sends only a shared word, so we read every push back before building."),
    ),
    error("ROT-01", _("The platform's credential is renewed by the operator, not here.")),
)
