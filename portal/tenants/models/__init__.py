"""The tables of tenancy."""

from portal.tenants.models.base import TenantModel, TenantQuerySet
from portal.tenants.models.events import ChainHead, Event
from portal.tenants.models.people import Invitation, Membership, Role, User
from portal.tenants.models.replies import Reply
from portal.tenants.models.tenants import Instance, Tenant
from portal.tenants.models.tokens import ServiceToken

__all__ = [
    "ChainHead",
    "Event",
    "Instance",
    "Invitation",
    "Membership",
    "Reply",
    "Role",
    "ServiceToken",
    "Tenant",
    "TenantModel",
    "TenantQuerySet",
    "User",
]
