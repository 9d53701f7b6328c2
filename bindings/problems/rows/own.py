"""Sentences of the portal itself: the codes that start with X."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from bindings.problems.words import error, info

ROWS = (
    error("FORM-01", _("Fill in this field.")),
    error("FORM-02", _("Paste the token again. For safety we do not keep it after an error.")),
    error("FORM-03", _("This value cannot be used here: {why}.")),
    error("FORM-04", _("There is no field {name}.")),
    error("JSON-01", _("The body is not a JSON object.")),
    error("PARAM-01", _("There is no parameter {name}.")),
    error("PARAM-02", _("{name} cannot be {value}.")),
    error(
        "CURSOR-01",
        _("This cursor does not belong to this list, or is too old. Start from the first page."),
    ),
    error("TENANT-01", _("Say which tenant: send Mooring-Tenant.")),
    error("HOST-01", _("There is no such server for {platform} here.")),
    error("ADDR-01", _("This address is not allowed: {why}.")),
    error("AUTH-01", _("Sign in, or send an API token.")),
    error("AUTH-02", _("This API token is wrong, ended or revoked.")),
    error("AUTH-03", _("Confirm it is you before you {action}.")),
    error("SCOPE-01", _("This API token lacks {scope}.")),
    error("ROLE-01", _("Your role, {role}, cannot do this. Ask an admin: {names}.")),
    error("FOUND-01", _("There is nothing here, or it is not yours to see.")),
    error("METHOD-01", _("{method} is not possible here.")),
    error("ACCEPT-01", _("Only JSON is available here.")),
    error("MEDIA-01", _("Send application/json.")),
    error("SIZE-01", _("This is larger than {max}.")),
    error("NAME-01", _("{name} is already taken.")),
    error("STATE-01", _("This binding cannot be used now: {state}.")),
    error("STATE-02", _("This kind of binding cannot do that.")),
    error("CONFIRM-01", _("This account is in use. Confirm with {confirm}.")),
    error("INUSE-01", _("Unbind {n} accounts first.")),
    error("GONE-01", _("{login} was unbound on {date}.")),
    error("LAST-01", _("A tenant needs at least one owner.")),
    error("LIMIT-01", _("Your plan allows {n}.")),
    error("LEASE-01", _("{platform} cannot issue short-lived tokens. Use a proxied lease.")),
    error(
        "LEASE-02",
        _("100 clone credentials are active on this binding. Revoke some, or let them end."),
    ),
    error("MATCH-01", _("Send If-Match with the ETag you saw.")),
    error("MATCH-02", _("Someone changed this meanwhile. Read it again.")),
    error("IDEM-01", _("This Idempotency-Key was used with another body.")),
    error("IDEM-02", _("The first request with this key is still running.")),
    error("IDEM-03", _("An Idempotency-Key has 1 to 255 visible ASCII characters.")),
    error("IDEM-04", _("This key was used; its secret can no longer be repeated.")),
    error("RATE-01", _("Too many requests. Wait {n} seconds.")),
    error("RATE-02", _("Checked a moment ago. Try again in {n} s.")),
    error("HOOK-01", _("The signature is missing or does not match.")),
    error("HOOK-02", _("The signature is too old.")),
    error("DRILL-01", _("A fire drill is running here until {time}. End it first.")),
    error(
        "DRILL-02",
        _("There are no webhooks here yet, so a switched-off one cannot be rehearsed."),
    ),
    info("SUSP-01", _("Paused by the operator on {date}: {reason}.")),
    error("SYS-01", _("Something failed on our side. Nothing was saved. Trace {trace}.")),
    error("SYS-02", _("We are being looked after. Try again in {n} seconds.")),
)
