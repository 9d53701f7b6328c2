"""The operators' admin of the product: bindings, checks, endings, webhooks, deliveries, the outbox,
code hosts, cloud accounts, instances."""

from bindings.admin import bindings, checks, cloud, deliveries, hooks, hosts, outbox, tenancy

__all__ = ["bindings", "checks", "cloud", "deliveries", "hooks", "hosts", "outbox", "tenancy"]
