"""The operators' admin of the product: bindings, checks, endings, code hosts, cloud
accounts, instances, the outbox."""

from bindings.admin import bindings, checks, cloud, hosts, outbox, tenancy

__all__ = ["bindings", "checks", "cloud", "hosts", "outbox", "tenancy"]
