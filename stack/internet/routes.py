"""The routes of a host."""

from __future__ import annotations

from collections.abc import Iterator

from stack.internet.route import Route


class RoutingTable:
    """The longest prefix wins, then the lowest metric, then the oldest route (RFC 1812 5.2.4.3)."""

    __slots__ = ("_levels", "_memory", "_memory_limit", "_routes")

    def __init__(self, memory_limit: int) -> None:
        """``memory_limit``: of how many destinations the route is remembered until something changes."""
        self._memory_limit = memory_limit
        self._memory: dict[bytes, Route | None] = {}
        self._routes: list[Route] = []
        self._levels: dict[int, list[_Level]] = {}
        """By the size of the address; built when first needed after a change."""

    def __iter__(self) -> Iterator[Route]:
        return iter(self._routes)

    def __contains__(self, route: Route) -> bool:
        return route in self._routes

    def __len__(self) -> int:
        return len(self._routes)

    def add(self, route: Route) -> None:
        """Add a route behind those that are equally good."""
        self._routes.append(route)
        self._changed()

    def remove(self, route: Route) -> None:
        """Remove a route. Raises ``ValueError`` if it is not there."""
        self._routes.remove(route)
        self._changed()

    def refresh(self) -> None:
        """An interface went up or down: forget what was concluded from the routes."""
        self._memory.clear()

    def lookup(self, destination: bytes) -> Route | None:
        """The best route through an interface that is up."""
        try:
            return self._memory[destination]
        except KeyError:
            if len(self._memory) >= self._memory_limit:
                self._memory.clear()
            route = self._memory[destination] = next(self.candidates(destination), None)
            return route

    def candidates(self, destination: bytes) -> Iterator[Route]:
        """All routes to a destination through interfaces that are up, the best first."""
        size = len(destination)
        levels = self._levels.get(size)
        if levels is None:
            levels = self._levels[size] = self._sort(size)
        number = int.from_bytes(destination)
        for level in levels:
            for route in level.routes.get(number >> level.shift, ()):
                if route.interface.up:
                    yield route

    def _changed(self) -> None:
        self._memory.clear()
        self._levels.clear()

    def _sort(self, size: int) -> list[_Level]:
        """The routes for addresses of so many bytes, the longest prefixes first."""
        levels: dict[int, _Level] = {}
        for route in sorted(self._routes, key=lambda route: (-route.prefix.length, route.metric)):
            if len(route.prefix.address) == size:
                shift = 8 * size - route.prefix.length
                level = levels.setdefault(shift, _Level(shift))
                network = int.from_bytes(route.prefix.address) >> shift
                level.routes.setdefault(network, []).append(route)
        return list(levels.values())


class _Level:
    """The routes with one prefix length, by the bits of their prefix."""

    __slots__ = ("routes", "shift")

    def __init__(self, shift: int) -> None:
        self.shift = shift
        self.routes: dict[int, list[Route]] = {}
