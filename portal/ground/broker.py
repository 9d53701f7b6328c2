"""Redis as the broker: what kombu makes of a connection that is gone, made into what it expects.

Seen with kombu 5.7: when Redis goes away while a job runs, the worker takes its connection apart,
then acknowledges and puts back messages over the channel that is left. That finds no address there
(AttributeError), which nobody expects, and the worker dies instead of connecting anew.
"""

from __future__ import annotations

from typing import Any

from kombu.transport import redis


class Channel(redis.Channel):
    """A channel that knows when its connection was taken apart."""

    def _connparams(self, asynchronous: bool = False) -> Any:
        """As kombu's. Raises ConnectionError where that would look into nothing."""
        if self.connection is None or self.connection.client is None:
            raise ConnectionError("the connection to the broker was taken apart")
        return super()._connparams(asynchronous=asynchronous)  # type: ignore[no-untyped-call]  # kombu has no types


def install() -> None:
    """Let every connection to Redis as a broker use it."""
    redis.Transport.Channel = Channel
