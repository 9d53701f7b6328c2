"""Words that stand in a sentence by name: logical values spoken in the reader's language, and what
is said where a value is missing.

Facts of a problem are stored and sent between processes, so they hold `seed` or `group`, never a
translated word; the word is chosen when somebody reads.
"""

from __future__ import annotations

from collections.abc import Mapping

from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from bindings.problems.words import Text

TERMS: Mapping[str, Mapping[str, Text]] = {
    "policy_hint": {
        "seed": _("Self-signed certificates are not supported here."),
        "extended": _("Add its CA certificate under Advanced."),
    },
    "kind": {"group": _("group"), "project": _("project")},
    "needed": {
        "administrator": _("administrator"),
        "repository admin": _("repository admin"),
    },
    "action": {
        "bind": _("bind an account"),
        "replace": _("replace a token"),
        "unbind": _("unbind an account"),
        "tokens": _("change API tokens"),
        "endpoints": _("change endpoints"),
    },
    "why": {
        "required": _("it is missing"),
        "scheme_missing": _("it does not start with https:// or http://"),
        "scheme_not_allowed": _("it does not start with https:// or http://"),
        "host_invalid": _("the name of the server cannot be read"),
        "path_invalid": _("the path cannot be read"),
        "query_or_fragment": _("it has a part after ? or #"),
        "invalid_characters": _("it has characters that an address cannot have"),
        "too_long": _("it is too long"),
        "unresolvable": _("the name of the server cannot be found"),
        "userinfo_not_allowed": _("it holds a user name or a password"),
        "port_not_allowed": _("this port is not allowed"),
        "address_not_public": _("it is inside a private network"),
    },
}

OUR_ROLES: Mapping[str, Text] = {
    "viewer": _("Viewer"),
    "developer": _("Developer"),
    "admin": _("Admin"),
    "owner": _("Owner"),
}
"""Roles in a tenant. A platform's own roles keep the platform's word."""

NEUTRAL: Mapping[str, Text] = {
    "action": pgettext_lazy("missing", "go on"),
    "change": pgettext_lazy("missing", "not named"),
    "confirm": pgettext_lazy("missing", "the account name"),
    "date": pgettext_lazy("missing", "an unknown date"),
    "egress": pgettext_lazy("missing", "our addresses (ask your operator for them)"),
    "group": pgettext_lazy("missing", "(not named)"),
    "host": pgettext_lazy("missing", "this server"),
    "id": pgettext_lazy("missing", "(not named)"),
    "key": pgettext_lazy("missing", "unknown"),
    "kind": pgettext_lazy("missing", "group or project"),
    "list": pgettext_lazy("missing", "details"),
    "login": pgettext_lazy("missing", "this account"),
    "max": pgettext_lazy("missing", "the limit"),
    "method": pgettext_lazy("missing", "This method"),
    "n": pgettext_lazy("missing", "some"),
    "name": pgettext_lazy("missing", "this name"),
    "names": pgettext_lazy("missing", "another name"),
    "needed": pgettext_lazy("missing", "a higher role"),
    "ADDR-09.new": pgettext_lazy("missing", "another address"),
    "new": pgettext_lazy("missing", "another account"),
    "old": pgettext_lazy("missing", "the bound account"),
    "org": pgettext_lazy("missing", "the organization"),
    "other": pgettext_lazy("missing", "different"),
    "owner": pgettext_lazy("missing", "somebody else"),
    "path": pgettext_lazy("missing", "this repository"),
    "platform": pgettext_lazy("missing", "the platform"),
    "policy_hint": "",
    "port": pgettext_lazy("missing", "(see the address)"),
    "reason": pgettext_lazy("missing", "no reason given"),
    "ref": pgettext_lazy("missing", "of that name"),
    "region": pgettext_lazy("missing", "(not named)"),
    "role": pgettext_lazy("missing", "(not named)"),
    "scope": pgettext_lazy("missing", "a permission"),
    "scopes": pgettext_lazy("missing", "a permission"),
    "state": pgettext_lazy("missing", "it is not ready"),
    "status": pgettext_lazy("missing", "no details"),
    "time": pgettext_lazy("missing", "an unknown time"),
    "trace": pgettext_lazy("missing", "unknown"),
    "typed": pgettext_lazy("missing", "the name you typed"),
    "value": pgettext_lazy("missing", "this value"),
    "version": pgettext_lazy("missing", "of an unknown version"),
    "why": pgettext_lazy("missing", "it does not fit"),
}
"""Said in place of a value that was not given: every variable of the catalogue, and where one code
needs another word than the rest, that code's suffix before it."""
