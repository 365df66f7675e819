"""Draws a hash as a plan of parcels, so that the eye tells two records apart: an ornament that proves nothing."""

from dataclasses import dataclass
from itertools import pairwise

SIDE = 960
"""Width and height of the plan, in its own units."""

PARCELS = 12
TONES = 4

Point = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Parcel:
    """One convex parcel: its corners, and one of four tones."""

    corners: tuple[Point, ...]
    tone: int

    @property
    def points(self) -> str:
        """The corners as an SVG polygon has them."""
        return " ".join(f"{x},{y}" for x, y in self.corners)


def draw_plat(seed: bytes) -> tuple[Parcel, ...]:
    """Return the plan of a hash of at least 2 * PARCELS bytes.

    The largest parcel is divided again and again, along a line between its longest side and the one across.
    Raises ValueError if the hash is too short.
    """
    if len(seed) < 2 * PARCELS:
        raise ValueError(f"a plan needs {2 * PARCELS} bytes, not {len(seed)}")
    parcels: list[tuple[Point, ...]] = [((0, 0), (SIDE, 0), (SIDE, SIDE), (0, SIDE))]
    for first, second in pairwise(seed[:PARCELS]):
        largest = max(parcels, key=measure_area)
        parcels.remove(largest)
        parcels.extend(_divide(largest, first, second))
    parcels.sort()
    return tuple(Parcel(corners, seed[PARCELS + position] % TONES) for position, corners in enumerate(parcels))


def measure_area(corners: tuple[Point, ...]) -> int:
    """Return twice a polygon's area (the shoelace formula)."""
    closed = pairwise((*corners, corners[0]))
    return abs(sum(x * next_y - next_x * y for (x, y), (next_x, next_y) in closed))


def _divide(corners: tuple[Point, ...], first: int, second: int) -> tuple[tuple[Point, ...], tuple[Point, ...]]:
    """Divide a convex polygon by a line; the two bytes say where it meets the sides."""
    sides = list(pairwise((*corners, corners[0])))
    longest = max(range(len(sides)), key=lambda index: _measure_squared(*sides[index]))
    turned = corners[longest:] + corners[:longest]
    across = len(turned) // 2
    start = _point_between(turned[0], turned[1], first)
    end = _point_between(turned[across], turned[(across + 1) % len(turned)], second)
    return (start, *turned[1 : across + 1], end), (end, *turned[across + 1 :], turned[0], start)


def _measure_squared(start: Point, end: Point) -> int:
    return (start[0] - end[0]) ** 2 + (start[1] - end[1]) ** 2


def _point_between(start: Point, end: Point, byte: int) -> Point:
    """Return a point in the middle three tenths of a side."""
    parts = 350 + 300 * byte // 255
    return (
        start[0] + (end[0] - start[0]) * parts // 1_000,
        start[1] + (end[1] - start[1]) * parts // 1_000,
    )
