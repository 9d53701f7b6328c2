"""The operators' admin of tenancy: people, tenants, memberships, API tokens, event logs."""

from portal.tenants.admin import events, people, tenants

__all__ = ["events", "people", "tenants"]
