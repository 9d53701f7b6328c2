"""The bindings app: hands the ground what only the product knows."""

from django.apps import AppConfig


class BindingsConfig(AppConfig):
    name = "bindings"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        # Imported here, because models can only be imported once the apps are loaded.
        from bindings import problems
        from bindings.services.browse import people
        from bindings.services.custody import refresh, sealed
        from bindings.services.keep import renewed
        from portal.ground import refusals, sealing
        from portal.tenants.services import members

        refusals.speak_with(problems.speak)
        refresh.judge_with(renewed.take)
        sealing.seal_with(sealed.seal_for, sealed.unseal_for)
        members.when_left(people.flag)
