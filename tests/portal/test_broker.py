"""A broker that is gone is an error kombu knows, so that a worker connects anew (fault-005)."""

from __future__ import annotations

import pytest
from kombu import Connection

from portal.ground import broker


def test_a_channel_whose_connection_was_taken_apart_says_so() -> None:
    """What the worker's clean-up does after Redis has gone: it acknowledges over what is left."""
    broker.install()
    connection = Connection("redis://127.0.0.1:1/0")
    channel = broker.Channel.__new__(broker.Channel)  # made without dialling, as left over
    channel.connection = connection.transport
    connection.transport.client = None
    with pytest.raises(connection.connection_errors, match="taken apart"):
        channel._connparams()
    channel.connection = None
    with pytest.raises(connection.connection_errors, match="taken apart"):
        channel._connparams()


def test_the_application_uses_it() -> None:
    assert Connection("redis://127.0.0.1:1/0").transport.Channel is broker.Channel
