"""`manage.py refresh_tokens`: what upkeep does, by hand: renew what is due, settle open intents."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from bindings.models import Binding
from bindings.services.keep import renewing, upkeep
from portal.ground import ids, refusals, rls
from portal.ground.refusals import Refusal

FOREVER = 24 * 3600.0


class Command(BaseCommand):
    help = "Renew OAuth tokens that are due and settle open refresh intents, or one binding's now."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--due", action="store_true", help="only what is due (the default)")
        parser.add_argument("--binding", help="only this binding (bnd_…), due or not")
        parser.add_argument("--json", action="store_true", help="one JSON document")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["binding"]:
            self._one(options["binding"], as_json=options["json"])
            return
        result = upkeep.run(budget_s=FOREVER)
        if options["json"]:
            counts = {"asked": result.asked, "replayed": result.replayed}
            self.stdout.write(json.dumps(counts | {"results": dict(result.outcomes)}))
        else:
            self.stdout.write(str(result))

    def _one(self, public_id: str, *, as_json: bool) -> None:
        key = ids.key(Binding.PREFIX, public_id)
        with rls.fleet("refresh_tokens --binding"):
            rows = Binding.objects.select_related("host", "tenant")
            binding = rows.filter(pk=key, unbound_at=None).first() if key else None
        if binding is None:
            raise CommandError(f"There is no live binding {public_id}.", returncode=2)
        try:
            generation = renewing.refresh_now(binding=binding)
        except Refusal as refused:
            words = refusals.words(refused.code, refused.facts)
            raise CommandError(f"{refused.code}: {words.detail}") from None
        if as_json:
            self.stdout.write(json.dumps({"binding": public_id, "generation": generation}))
        else:
            self.stdout.write(f"renewed, generation {generation}")
