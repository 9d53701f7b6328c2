"""The pages of the product."""

from django.urls import path
from django.views.generic import RedirectView

from bindings.web import (
    activity,
    bind,
    binding,
    consent,
    credential,
    drill,
    expiry,
    help,
    instances,
    sources,
    unbind,
)

_TENANT = "t/<slug:tenant>/"
_INSTANCE = f"{_TENANT}instances/<slug:name>/"
_SOURCE = f"{_INSTANCE}sources/<slug:provider>/"
_BINDING = f"{_TENANT}bindings/<str:public_id>/"

urlpatterns = [
    path(_TENANT, RedirectView.as_view(pattern_name="instances"), name="tenant"),
    path(f"{_TENANT}instances/", instances.listing, name="instances"),
    path(f"{_TENANT}instances/new/", instances.new, name="instance_new"),
    path(f"{_TENANT}expiry/", expiry.page, name="expiry"),
    path(f"{_TENANT}expiry.csv", expiry.download, name="expiry_csv"),
    path(f"{_TENANT}activity/", activity.page, name="activity"),
    path(_INSTANCE, RedirectView.as_view(pattern_name="sources"), name="instance"),
    path(f"{_INSTANCE}sources/", sources.table, name="sources"),
    path(f"{_INSTANCE}sources/check/", sources.check_all, name="check_all"),
    path(f"{_SOURCE}bind/", bind.page, name="bind"),
    path(f"{_SOURCE}bind/test/", bind.test, name="bind_test"),
    path(f"{_SOURCE}bind/address/", bind.address, name="bind_address"),
    path(f"{_SOURCE}confirm/", consent.confirm, name="confirm"),
    path(_BINDING, binding.overview, name="binding"),
    path(f"{_BINDING}activity/", binding.activity, name="binding_activity"),
    path(f"{_BINDING}check/", binding.check, name="check"),
    path(f"{_BINDING}later/", sources.later, name="later"),
    path(f"{_BINDING}replace/", credential.replace, name="replace"),
    path(f"{_BINDING}end/", credential.end_date, name="end_date"),
    path(f"{_BINDING}unbind/", unbind.page, name="unbind"),
    path(f"{_BINDING}drill/", drill.page, name="drill"),
    path(f"{_BINDING}receipt/", unbind.receipt, name="receipt"),
    path("help/", help.index, name="help"),
    path("help/errors/", help.errors, name="help-errors"),
    path("help/errors/<str:code>/", help.error, name="help-error"),
    path("help/<slug:provider>/", help.provider, name="help-provider"),
]
