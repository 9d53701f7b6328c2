"""The operators' admin of the product: bindings, checks, endings, code hosts, instances."""

from bindings.admin import bindings, checks, hosts, tenancy

__all__ = ["bindings", "checks", "hosts", "tenancy"]
