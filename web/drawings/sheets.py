"""What a picture is made of: boxes, lines and words on a sheet, which a template writes as inline SVG.

A sheet is as wide as a phone's column, so its words are as large on a phone as on a desk. Colours are classes of the
stylesheet, since pages may not style inline.
"""

from dataclasses import dataclass, field

WIDTH = 360
"""The width of every sheet, in its own units: CSS pixels on a phone."""

CHARACTER_WIDTH = 7
"""What a character of the pictures' typeface (monospaced, 11 units) takes at most."""

HASH_CHARACTERS = 8


@dataclass(frozen=True, slots=True)
class Shape:
    """One SVG element of a sheet: its kind (rect, path, circle or text), class, attributes, and words."""

    kind: str
    tone: str
    attributes: tuple[tuple[str, str], ...]
    text: str = ""


@dataclass(frozen=True, slots=True)
class Drawing:
    """A picture with its height, what it is called, and what it shows for who does not see it."""

    title: str
    description: str
    height: int
    shapes: tuple[Shape, ...]
    width: int = WIDTH


@dataclass(slots=True)
class Sheet:
    """Collects the shapes of a drawing from the top to the bottom; `y` is where the next ones go."""

    y: int = 0
    shapes: list[Shape] = field(default_factory=list)

    def box(self, *, x: int, y: int, width: int, height: int, tone: str) -> None:
        """Draw a box."""
        self._add("rect", tone, x=x, y=y, width=width, height=height, rx=4)

    def dot(self, *, x: int, y: int, radius: int, tone: str) -> None:
        """Draw a dot."""
        self._add("circle", tone, cx=x, cy=y, r=radius)

    def line(self, steps: str, *, tone: str) -> None:
        """Draw a line by the steps of an SVG path."""
        self._add("path", tone, d=steps)

    def words(self, text: str, *, x: int, y: int, tone: str, align: str = "start") -> None:
        """Write words on a base line; `align` is start, middle or end."""
        self._add("text", tone, text=text, x=x, y=y, **{"text-anchor": align})

    def finish(self, *, title: str, description: str) -> Drawing:
        """Return the drawing, which ends at `y`."""
        return Drawing(title=title, description=description, height=self.y, shapes=tuple(self.shapes))

    def _add(self, kind: str, tone: str, *, text: str = "", **attributes: int | str) -> None:
        pairs = tuple((name, str(value)) for name, value in attributes.items())
        self.shapes.append(Shape(kind=kind, tone=tone, attributes=pairs, text=text))


def shorten(value: str | bytes) -> str:
    """Return the first characters of a hash (bytes, or hexadecimal already)."""
    text = value if isinstance(value, str) else value.hex()
    return text if len(text) <= HASH_CHARACTERS else f"{text[:HASH_CHARACTERS]}…"


def shorten_end(text: str) -> str:
    """Return the last characters of a block's hash, whose first ones are zeros."""
    return f"…{text[-HASH_CHARACTERS:]}"
