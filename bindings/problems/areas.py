"""What the middle part of a code decides: its title (`ux/spec.md` 7) and status (`api.md` 1.3)."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from bindings.problems.words import Level, Row, Text

TITLES: dict[str, Text] = {
    "ADDR": _("The address cannot be used"),
    "NET": _("The server did not answer"),
    "TLS": _("The connection is not secure"),
    "HTTP": _("The connection is not encrypted"),
    "API": _("The platform answered unexpectedly"),
    "TOK": _("The token is not accepted"),
    "SCOPE": _("The token cannot do this job"),
    "USER": _("The account does not fit"),
    "ORG": _("The organization does not allow it"),
    "ACC": _("Another account"),
    "LOCK": _("Bound by the platform"),
    "DUP": _("Already bound"),
    "OFF": _("Not offered here"),
    "REPO": _("The repository cannot be used"),
    "REF": _("No such branch, tag or commit"),
    "HOOK": _("About the webhook"),
    "CLONE": _("Cloning failed"),
    "RATE": _("The platform asks us to wait"),
    "ROT": _("The credential was not renewed"),
    "OAUTH": _("The authorization was not completed"),
    "EXP": _("About the end date"),
    "REV": _("Please revoke it yourself"),
}

_OF_AREA = {
    **dict.fromkeys(
        ("ADDR", "TLS", "TOK", "SCOPE", "USER", "ORG", "CLONE", "EXP", "OFF", "HOOK", "OAUTH"), 422
    ),
    **dict.fromkeys(("ACC", "DUP", "LOCK"), 409),
    "API": 502,
    "NET": 502,
    "RATE": 503,
}
_OF_SUFFIX = {
    "API-01": 422,
    "ROT-01": 422,
    "NET-01": 504,
    "ROT-02": 504,
    "REPO-02": 404,
    "REF-01": 404,
    "REPO-03": 409,
    "REPO-04": 409,
}
_OF_OUR_OWN = {
    400: "JSON-01 PARAM-01 PARAM-02 CURSOR-01 TENANT-01 IDEM-03",
    401: "AUTH-01 AUTH-02 HOOK-01 HOOK-02",
    403: "SCOPE-01 ROLE-01 AUTH-03",
    404: "FOUND-01",
    405: "METHOD-01",
    406: "ACCEPT-01",
    409: "STATE-01 STATE-02 CONFIRM-01 INUSE-01 NAME-01 IDEM-02 IDEM-04 LAST-01 DRILL-01",
    410: "GONE-01",
    412: "MATCH-02",
    413: "SIZE-01",
    415: "MEDIA-01",
    422: "FORM-01 FORM-03 FORM-04 IDEM-01 LIMIT-01 LEASE-01 ADDR-01 HOST-01 DRILL-02",
    428: "MATCH-01",
    429: "RATE-01 RATE-02 LEASE-02",
    500: "SYS-01",
    503: "SYS-02",
}
_OWN = {suffix: status for status, row in _OF_OUR_OWN.items() for suffix in row.split()}
_PAGES_ONLY = "FORM-02"


def own_status(row: Row) -> int | None:
    """The status of a code of ours. Raises KeyError for an error that nobody gave one."""
    if row.level is not Level.ERROR or row.suffix == _PAGES_ONLY:
        return None
    return _OWN[row.suffix]


def platform_status(row: Row) -> int | None:
    """The status of a platform's code. Raises KeyError for an area that nobody gave one."""
    if row.level is not Level.ERROR:
        return None
    return _OF_SUFFIX.get(row.suffix) or _OF_AREA[row.suffix.partition("-")[0]]
