"""The tables of the product, one file a family."""

from bindings.models.authorizations import Authorization
from bindings.models.bindings import Binding
from bindings.models.credentials import Credential
from bindings.models.endings import Ending
from bindings.models.hosts import CodeHost, HostOffer
from bindings.models.notices import Notice
from bindings.models.platform import PlatformAccount
from bindings.models.repositories import Repository
from bindings.models.schedule import Check, HealthDay, Schedule

__all__ = [
    "Authorization",
    "Binding",
    "Check",
    "CodeHost",
    "Credential",
    "Ending",
    "HealthDay",
    "HostOffer",
    "Notice",
    "PlatformAccount",
    "Repository",
    "Schedule",
]
