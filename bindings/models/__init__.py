"""The tables of the product, one file a family."""

from bindings.models.authorizations import Authorization
from bindings.models.bindings import Binding
from bindings.models.credentials import Credential, RefreshIntent, Renewal
from bindings.models.drills import Drill
from bindings.models.endings import Ending
from bindings.models.hosts import CodeHost, HostOffer
from bindings.models.notices import Feed, Mail, Notice, Preference, Telling, Told
from bindings.models.platform import PlatformAccount
from bindings.models.repositories import Repository
from bindings.models.schedule import Check, HealthDay, Schedule

__all__ = [
    "Authorization",
    "Binding",
    "Check",
    "CodeHost",
    "Credential",
    "Drill",
    "Ending",
    "Feed",
    "HealthDay",
    "HostOffer",
    "Mail",
    "Notice",
    "PlatformAccount",
    "Preference",
    "RefreshIntent",
    "Renewal",
    "Repository",
    "Schedule",
    "Telling",
    "Told",
]
