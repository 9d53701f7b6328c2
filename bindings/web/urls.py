"""The pages of the product."""

from django.urls import path
from django.views.generic import RedirectView

from bindings.web import (
    activity,
    bind,
    binding,
    calendars,
    consent,
    credential,
    drill,
    expiry,
    handoff,
    help,
    instances,
    link_form,
    notices,
    preferences,
    rotate,
    sources,
    switch,
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
    path(f"{_TENANT}expiry/feed/", calendars.subscribe, name="expiry_feed"),
    path("feeds/<str:key>.ics", calendars.feed, name="feed"),
    path(f"{_TENANT}expiry.csv", expiry.download, name="expiry_csv"),
    path(f"{_TENANT}notices/", notices.page, name="notices"),
    path(f"{_TENANT}notices/read/", notices.read, name="notices_read"),
    path("me/notifications/", preferences.page, name="preferences"),
    path("me/unsubscribe/<str:key>/", preferences.unsubscribe, name="unsubscribe"),
    path(f"{_TENANT}activity/", activity.page, name="activity"),
    path(_INSTANCE, RedirectView.as_view(pattern_name="sources"), name="instance"),
    path(f"{_INSTANCE}sources/", sources.table, name="sources"),
    path(f"{_INSTANCE}sources/check/", sources.check_all, name="check_all"),
    path(f"{_SOURCE}bind/", bind.page, name="bind"),
    path(f"{_SOURCE}bind/test/", bind.test, name="bind_test"),
    path(f"{_SOURCE}bind/address/", bind.address, name="bind_address"),
    path(f"{_SOURCE}confirm/", consent.confirm, name="confirm"),
    path(f"{_SOURCE}handoff/", handoff.page, name="handoff"),
    path("i/<str:code>/form/", link_form.page, name="link_form"),
    path("i/<str:code>/form/test/", link_form.test, name="link_test"),
    path("i/<str:code>/form/address/", link_form.address, name="link_address"),
    path(_BINDING, binding.overview, name="binding"),
    path(f"{_BINDING}activity/", binding.activity, name="binding_activity"),
    path(f"{_BINDING}check/", binding.check, name="check"),
    path(f"{_BINDING}later/", sources.later, name="later"),
    path(f"{_BINDING}replace/", credential.replace, name="replace"),
    path(f"{_BINDING}rotate/", rotate.page, name="rotate"),
    path(f"{_BINDING}end/", credential.end_date, name="end_date"),
    path(f"{_BINDING}back/", credential.put_back, name="put_back"),
    path(f"{_BINDING}switch/", switch.page, name="switch"),
    path(f"{_BINDING}switch/test/", switch.test, name="switch_test"),
    path(f"{_BINDING}switch/address/", switch.address, name="switch_address"),
    path(f"{_BINDING}unbind/", unbind.page, name="unbind"),
    path(f"{_BINDING}drill/", drill.page, name="drill"),
    path(f"{_BINDING}receipt/", unbind.receipt, name="receipt"),
    path("help/", help.index, name="help"),
    path("help/errors/", help.errors, name="help-errors"),
    path("help/errors/<str:code>/", help.error, name="help-error"),
    path("help/<slug:provider>/", help.provider, name="help-provider"),
]
