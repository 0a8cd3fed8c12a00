"""Whose turn it is to compute: one run or explorer at a time, so that two do not slow each other down.

What a person touched last goes first. Otherwise whoever has shown nothing yet goes first, and what nobody has touched
for a while makes room for the next. A turn changes hands between two steps only.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from threading import Lock
from typing import Protocol

FIRST_LOOK = 2.0  # seconds that an untouched run may keep others from showing their first picture
SLICE = 15.0  # seconds after which a run that nobody touches makes room for the next
_COMPUTING = Lock()


class Player(Protocol):
    """What can have the turn."""

    name: str

    def wake(self) -> None:
        """Called from any thread when the turn has gone to somebody, perhaps to this one."""


@dataclass(eq=False)
class _Place:
    """A player's place in the queue: when it was last touched, whether it has computed before, when it arrived."""

    player: Player
    touched: float
    begun: bool
    arrived: int
    since: float = field(default=0.0)

    def rank(self) -> tuple[float, bool, int]:
        """The smallest rank goes first."""
        return -self.touched, self.begun, self.arrived


class Turn:
    """The queue of those who want to compute. Every method may be called from any thread."""

    def __init__(self):
        self._lock, self._numbers = Lock(), count()
        self._places: dict[Player, _Place] = {}
        self._holder: _Place | None = None

    def ask(self, player: Player, touched: bool = False) -> None:
        """Join the queue, or, with `touched`, come to its front: a person wants to see this one now."""
        with self._lock:
            place = self._places.get(player)
            if place is None:
                place = self._places[player] = _Place(player, float("-inf"), False, next(self._numbers))
            if touched:
                place.touched = time.monotonic()
            awake = self._pass_on()
        _wake(awake)

    def mine(self, player: Player) -> bool:
        """Whether `player` may take a step now. Called between two steps; this is where a turn changes hands."""
        with self._lock:
            place = self._places.get(player)
            if place is None:
                return False
            if self._holder is place and self._should_yield(place):
                place.touched, place.arrived = float("-inf"), next(self._numbers)
                self._holder = None
            awake = self._pass_on()
            mine = self._holder is place
        _wake(awake)
        return mine

    def leave(self, player: Player) -> None:
        """Give the turn back, and leave the queue."""
        with self._lock:
            if self._holder is self._places.pop(player, None):
                self._holder = None
            awake = self._pass_on()
        _wake(awake)

    def holder(self) -> str:
        """The name of the one that is computing, or ''."""
        with self._lock:
            return self._holder.player.name if self._holder else ""

    def _pass_on(self) -> list[Player]:
        """If nobody has the turn, give it to the first of the queue. Everybody who has to be told of the change."""
        if self._holder is not None or not self._places:
            return []
        self._holder = min(self._places.values(), key=_Place.rank)
        self._holder.begun, self._holder.since = True, time.monotonic()
        return list(self._places)

    def _should_yield(self, place: _Place) -> bool:
        now = time.monotonic()
        quiet = now - max(place.touched, place.since)
        return any(
            other.touched > place.touched or quiet > SLICE or (not other.begun and quiet > FIRST_LOOK)
            for other in self._places.values()
            if other is not place
        )


def _wake(players: list[Player]) -> None:
    for player in players:
        player.wake()


TURN = Turn()


@contextmanager
def computing(patience: float = -1) -> Iterator[None]:
    """While one thread is in here, the next one waits for it: for `patience` seconds at most, or without end (-1)."""
    entered = _COMPUTING.acquire(timeout=patience)
    try:
        yield
    finally:
        if entered:
            _COMPUTING.release()
