"""The map of the API. No address ends in a slash; what is not here is a 404 problem."""

from __future__ import annotations

from django.urls import include, path, re_path

from bindings.api import (
    authorizations,
    bindings,
    checks,
    connection_tests,
    credentials,
    deliveries,
    diagnoses,
    endings,
    endpoints,
    expiries,
    hooks,
    instances,
    leases,
    problems,
    providers,
    repositories,
    rotations,
    sources,
    triggers,
)
from portal.ground.rest import docs
from portal.tenants.api import events, me, tokens

_REPOSITORY = "bindings/<str:binding>/repositories/<str:repository>"

V1 = [
    path("me", me.Me.as_view()),
    path("providers", providers.Providers.as_view()),
    path("providers/<str:slug>", providers.OneProvider.as_view()),
    path("problems", problems.Problems.as_view()),
    path("problems/<str:code>", problems.OneProblem.as_view()),
    path("instances", instances.Instances.as_view()),
    path("instances/<str:instance>", instances.OneInstance.as_view()),
    path("instances/<str:instance>/sources", sources.Sources.as_view()),
    path("instances/<str:instance>/bindings", bindings.Bind.as_view()),
    path("instances/<str:instance>/authorizations", authorizations.Authorize.as_view()),
    path("connection-tests", connection_tests.ConnectionTests.as_view()),
    path("bindings", bindings.Bindings.as_view()),
    path("bindings/<str:binding>", bindings.OneBinding.as_view()),
    path("bindings/<str:binding>/impact", endings.Impact.as_view()),
    path("bindings/<str:binding>/receipt", endings.Receipt.as_view()),
    path("bindings/<str:binding>/credential", credentials.Credential.as_view()),
    path("bindings/<str:binding>/rollbacks", credentials.Rollbacks.as_view()),
    path("bindings/<str:binding>/rotations", rotations.Rotations.as_view()),
    path("bindings/<str:binding>/checks", checks.Checks.as_view()),
    path("bindings/<str:binding>/checks/<str:check>", checks.OneCheck.as_view()),
    path("bindings/<str:binding>/repositories", repositories.Repositories.as_view()),
    path("bindings/<str:binding>/webhooks", hooks.BindingWebhooks.as_view()),
    path("webhooks", hooks.Webhooks.as_view()),
    path("webhooks/<str:webhook>", hooks.OneWebhook.as_view()),
    path("webhooks/<str:webhook>/tests", hooks.WebhookTests.as_view()),
    path("webhooks/<str:webhook>/repairs", hooks.WebhookRepairs.as_view()),
    path("webhooks/<str:webhook>/recoveries", hooks.WebhookRecoveries.as_view()),
    path("bindings/<str:binding>/leases", leases.Lend.as_view()),
    path("leases", leases.Leases.as_view()),
    path("leases/<str:lease>", leases.OneLease.as_view()),
    path("bindings/<str:binding>/diagnoses", diagnoses.Diagnoses.as_view()),
    path("authorizations/<str:authorization>", authorizations.OneAuthorization.as_view()),
    path("deliveries", deliveries.Deliveries.as_view()),
    path("deliveries/<str:delivery>", deliveries.OneDelivery.as_view()),
    path("deliveries/<str:delivery>/replays", deliveries.Replays.as_view()),
    path("instances/<str:instance>/triggers", triggers.InstanceTriggers.as_view()),
    path("triggers", triggers.Triggers.as_view()),
    path("triggers/<str:trigger>", triggers.OneTrigger.as_view()),
    path("triggers/<str:trigger>/runs", triggers.Runs.as_view()),
    path("expiries", expiries.Expiries.as_view()),
    path("expiries.ics", expiries.ExpiryCalendar.as_view()),
    path("expiries/feed", expiries.ExpiryFeed.as_view()),
    path("endpoints", endpoints.Endpoints.as_view()),
    path("endpoints/<str:endpoint>", endpoints.OneEndpoint.as_view()),
    path("endpoints/<str:endpoint>/secrets", endpoints.Secrets.as_view()),
    path("endpoints/<str:endpoint>/tests", endpoints.Tests.as_view()),
    path("endpoints/<str:endpoint>/deliveries", endpoints.Deliveries.as_view()),
    path("endpoints/<str:endpoint>/deliveries/<str:outgoing>/replays", endpoints.Replays.as_view()),
    path("events", events.Events.as_view()),
    path("events/<str:event>", events.OneEvent.as_view()),
    path("tokens", tokens.Tokens.as_view()),
    path("tokens/<str:token>", tokens.OneToken.as_view()),
]
# The path of a repository holds slashes, which is why one view takes all of these.
OF_REPOSITORY = [
    path(_REPOSITORY, repositories.OneRepository.as_view()),
    path(f"{_REPOSITORY}/branches", repositories.Branches.as_view()),
    path(f"{_REPOSITORY}/tags", repositories.Tags.as_view()),
    path(f"{_REPOSITORY}/resolve", repositories.Resolve.as_view()),
]
DESCRIBED = (path("api/v1/", include([*V1, *OF_REPOSITORY])),)

urlpatterns = [
    path(
        "v1/",
        include(
            [
                *V1,
                path(
                    "bindings/<str:binding>/repositories/<path:rest>",
                    repositories.at_repository,
                ),
            ]
        ),
    ),
    path("schema.json", docs.Description.as_view(patterns=DESCRIBED), name="api-schema"),
    path("docs/", docs.pages, name="api-docs"),
    re_path("", docs.Nowhere.as_view()),
]
