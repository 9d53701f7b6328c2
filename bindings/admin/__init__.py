"""The operators' admin of the product: bindings, checks, endings, webhooks, code hosts, cloud
accounts, instances."""

from bindings.admin import bindings, checks, cloud, hooks, hosts, tenancy

__all__ = ["bindings", "checks", "cloud", "hooks", "hosts", "tenancy"]
