"""`manage.py fire_drill`: rehearse a failure of one binding, or end the rehearsal."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.core.serializers.json import DjangoJSONEncoder

from bindings.models import Binding, Drill
from bindings.services.keep import drills
from bindings.services.keep.rehearsal import Scenario
from portal.ground import ids, refusals, rls
from portal.ground.refusals import Refusal
from portal.tenants import access

END = "end"


class Command(BaseCommand):
    help = "Rehearse a failure of one binding. Nothing real is touched; it ends after an hour."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("binding", metavar="BINDING", help="bnd_…")
        parser.add_argument(
            "scenario", metavar="SCENARIO", choices=[*(one.value for one in Scenario), END]
        )
        parser.add_argument("--json", action="store_true", help="one JSON document")

    def handle(self, *args: Any, **options: Any) -> None:
        binding = self._binding(options["binding"])
        actor, wanted = access.system(binding.tenant), options["scenario"]
        try:
            if wanted == END:
                drill = drills.end(actor=actor, binding=binding)
            else:
                drill = drills.start(actor=actor, binding=binding, scenario=Scenario(wanted))
        except Refusal as refused:
            words = refusals.words(refused.code, refused.facts)
            raise CommandError(f"{refused.code}: {words.detail}") from None
        if drill is None:
            raise CommandError("No fire drill is running on this binding.")
        self._say(drill, as_json=options["json"])

    def _binding(self, public_id: str) -> Binding:
        key = ids.key(Binding.PREFIX, public_id)
        with rls.fleet("fire_drill"):
            rows = Binding.objects.select_related("host", "tenant")
            found = rows.filter(pk=key, unbound_at=None).first() if key else None
        if found is None:
            raise CommandError(f"There is no live binding {public_id}.", returncode=2)
        return found

    def _say(self, drill: Drill, *, as_json: bool) -> None:
        if as_json:
            said = {
                "drill": drill.public_id,
                "scenario": drill.scenario,
                "begun_at": drill.begun_at,
                "until": drill.until,
                "ended_at": drill.ended_at,
                "report": drill.report,
            }
            self.stdout.write(json.dumps(said, cls=DjangoJSONEncoder))
        elif drill.ended_at is None:
            self.stdout.write(f"Drill {drill.scenario} runs until {drill.until:%H:%M} UTC.")
            self.stdout.write("The next sweep shows it; end it early with: fire_drill … end")
        else:
            self._report(drill)

    def _report(self, drill: Drill) -> None:
        found = drill.report
        self.stdout.write(f"Drill {drill.scenario} ended after {found['seconds']} s.")
        self.stdout.write(f"States: {', '.join(found['states']) or 'none'}")
        told = [event["type"] for event in found["events"]]
        self.stdout.write(f"Events: {', '.join(told) or 'none'}")
        self.stdout.write(f"Notices: {len(found['notices'])}")
        as_before = "yes" if found["as_before"] else "NO"
        self.stdout.write(f"Everything as before: {as_before}")
