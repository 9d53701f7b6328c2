"""SealedField: a column of ciphertext whose attribute is a `Sealed` that never prints."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ValidationError
from django.db import models

from bindings.vault import Sealed


class SealedField(models.BinaryField):  # type: ignore[type-arg]  # generic only in the stubs
    """Holds what `vault.seal` returned. The handle is unwrapped here, on its way to the database
    adapter, and nowhere else; forms, serializers and dumps get nothing."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs["editable"] = False
        super().__init__(*args, **kwargs)

    def from_db_value(self, value: Any, *_: Any) -> Sealed | None:
        return None if value is None else Sealed(bytes(value))

    def to_python(self, value: Any) -> Sealed | None:
        if value is None or isinstance(value, Sealed):
            return value
        raise ValidationError("A sealed field takes what the vault has sealed.")

    def get_db_prep_value(self, value: Any, connection: Any, prepared: bool = False) -> Any:
        sealed = self.to_python(value)
        ciphertext = None if sealed is None else sealed.ciphertext
        return super().get_db_prep_value(ciphertext, connection, prepared)

    def value_to_string(self, obj: models.Model) -> str:
        return ""  # a dump holds no ciphertext
