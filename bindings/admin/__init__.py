"""The operators' admin of the product: bindings, checks, endings, code hosts, cloud
accounts, instances."""

from bindings.admin import bindings, checks, cloud, hosts, tenancy

__all__ = ["bindings", "checks", "cloud", "hosts", "tenancy"]
