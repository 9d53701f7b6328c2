"""Addresses of alice's pages, and her tenant with every platform bound."""

from __future__ import annotations

from typing import Any

import pytest

from bindings.models import Binding
from bindings.services.browse.specs import ORDER
from portal.tenants.models import Instance
from tests.bindings.api import rows


class Address:
    """The pages of one instance."""

    def __init__(self, instance: Instance) -> None:
        self.tenant = f"/t/{instance.tenant.slug}/"
        self.sources = f"{self.tenant}instances/{instance.name}/sources/"

    def bind(self, provider: str = "gitlab") -> str:
        return f"{self.sources}{provider}/bind/"

    def test(self, provider: str = "gitlab") -> str:
        return f"{self.bind(provider)}test/"

    def confirm(self, provider: str = "github") -> str:
        return f"{self.sources}{provider}/confirm/"

    def start(self, provider: str = "github") -> str:
        return f"{self.sources}{provider}/start/"

    def of(self, binding: Binding, page: str = "") -> str:
        return f"{self.tenant}bindings/{binding.public_id}/{page}"


@pytest.fixture
def at(instance: Instance) -> Address:
    return Address(instance)


@pytest.fixture
def seven(instance: Instance) -> dict[str, Binding]:
    """A binding of every platform on alice's instance."""
    return {slug: rows.binding(instance, slug) for slug in ORDER}


def kept(binding: Binding, **columns: Any) -> Binding:
    """The same binding with other columns, as a worker would leave them."""
    from portal.ground import rls

    with rls.tenant(binding.tenant_id):
        Binding.objects.of(binding.tenant_id).filter(pk=binding.pk).update(**columns)
        return Binding.objects.of(binding.tenant_id).select_related("instance").get(pk=binding.pk)
