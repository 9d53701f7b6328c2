"""A network without a world outside: names and addresses are made up, sockets end on loopback."""

from __future__ import annotations

import socket
from collections.abc import Mapping, Sequence

from providers.dial import Network
from providers.errors import Unreachable

Place = tuple[str, int]


class FakeNetwork(Network):
    """Answers for `names`, leads dialled addresses to far ends, and writes down every dial.

    `names`: name → addresses, or a list of such answers that are given one after the other, the
    last one for ever. `routes`: made-up (address, port) → loopback (address, port); what has no
    route refuses the connection.
    """

    def __init__(
        self,
        names: Mapping[str, Sequence[str] | Sequence[Sequence[str]]] | None = None,
        routes: Mapping[Place, Place] | None = None,
    ) -> None:
        super().__init__(resolvers=2)
        self.names = dict(names or {})
        self.routes = dict(routes or {})
        self.asked: list[str] = []
        self.dialled: list[Place] = []
        self.peers: dict[Place, str] = {}
        self.lies: dict[str, str] = {}
        self.later = 0.0

    def resolve(self, name: str, port: int, seconds: float) -> Sequence[str]:
        answers = self.names.get(name, ())
        if answers and not isinstance(answers[0], str):
            turn = min(self.asked.count(name), len(answers) - 1)
            answers = answers[turn]
        self.asked.append(name)
        if not answers:
            raise Unreachable("dns", host=name)
        return [str(answer) for answer in answers]

    def connect(self, address: str, port: int, seconds: float) -> socket.socket:
        self.dialled.append((address, port))
        if (address, port) not in self.routes:
            raise ConnectionRefusedError
        sock = super().connect(*self.routes[address, port], seconds)
        self.peers[sock.getsockname()[:2]] = self.lies.get(address, address)
        return sock

    def peer(self, sock: socket.socket) -> str:
        return self.peers[sock.getsockname()[:2]]

    def now(self) -> float:
        return super().now() + self.later


NAME, ADDRESS = "gitlab.example.com", "93.184.216.34"


def towards(place: Place, *, port: int = 80) -> FakeNetwork:
    """A network in which one public server lives at `place`, at the port that callers dial."""
    return FakeNetwork({NAME: [ADDRESS]}, {(ADDRESS, port): place})
