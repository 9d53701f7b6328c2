"""The operators' admin of the product: bindings, checks, endings, code hosts, cloud
accounts, instances, deliveries."""

from bindings.admin import bindings, checks, cloud, deliveries, hosts, tenancy

__all__ = ["bindings", "checks", "cloud", "deliveries", "hosts", "tenancy"]
