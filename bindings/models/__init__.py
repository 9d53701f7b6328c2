"""The tables of the product, one file a family."""

from bindings.models.authorizations import Authorization
from bindings.models.bindings import Binding
from bindings.models.credentials import Credential, RefreshIntent, Renewal
from bindings.models.drills import Drill
from bindings.models.endings import Ending
from bindings.models.hooks import Delivery, Head, Hook
from bindings.models.hosts import CodeHost, HostOffer
from bindings.models.leases import Lease
from bindings.models.notices import Feed, Mail, Notice, Preference, Telling, Told
from bindings.models.outbox import Dispatch, Endpoint
from bindings.models.platform import PlatformAccount
from bindings.models.repositories import Repository
from bindings.models.schedule import Check, HealthDay, Schedule
from bindings.models.triggers import Firing, Trigger

__all__ = [
    "Authorization",
    "Binding",
    "Check",
    "CodeHost",
    "Credential",
    "Delivery",
    "Dispatch",
    "Drill",
    "Ending",
    "Endpoint",
    "Feed",
    "Firing",
    "Head",
    "HealthDay",
    "Hook",
    "HostOffer",
    "Lease",
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
    "Trigger",
]
