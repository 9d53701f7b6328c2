"""The tables of the product, one file a family."""

from bindings.models.authorizations import Authorization
from bindings.models.bindings import Binding
from bindings.models.credentials import Credential
from bindings.models.drills import Drill
from bindings.models.endings import Ending
from bindings.models.hosts import CodeHost, HostOffer
from bindings.models.notices import Notice
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
    "HealthDay",
    "HostOffer",
    "Notice",
    "Repository",
    "Schedule",
]
