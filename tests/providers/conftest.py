"""Helpers whose plain asserts are to be explained like those of a test."""

import pytest

pytest.register_assert_rewrite(
    "tests.providers.contract",
    "tests.providers.contract_code",
    "tests.providers.contract_hooks",
    "tests.providers.contract_oauth",
    "tests.providers.stage",
    "tests.providers.goldens",
)
