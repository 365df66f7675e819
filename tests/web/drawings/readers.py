"""Reads a drawing: what it says, and whether anything sticks out of the sheet."""

from web.drawings.sheets import CHARACTER_WIDTH, Drawing, Shape


def read_words(drawing: Drawing) -> list[str]:
    """Return the words of a drawing, from the first drawn to the last."""
    return [shape.text for shape in drawing.shapes if shape.kind == "text"]


def count_tone(drawing: Drawing, tone: str) -> int:
    """Return how many shapes have a tone."""
    return sum(shape.tone == tone for shape in drawing.shapes)


def find_words_outside(drawing: Drawing) -> list[str]:
    """Return the words that begin or end outside the sheet, and boxes that do."""
    return [str(shape) for shape in drawing.shapes if not _fits(drawing, shape)]


def _fits(drawing: Drawing, shape: Shape) -> bool:
    attributes = dict(shape.attributes)
    if shape.kind == "text":
        width = len(shape.text) * CHARACTER_WIDTH
        x = int(attributes["x"])
        left = {"start": x, "middle": x - width // 2, "end": x - width}[attributes["text-anchor"]]
        return left >= 0 and left + width <= drawing.width and 0 < int(attributes["y"]) <= drawing.height
    if shape.kind == "rect":
        right = int(attributes["x"]) + int(attributes["width"])
        bottom = int(attributes["y"]) + int(attributes["height"])
        return int(attributes["x"]) >= 0 and right <= drawing.width and bottom <= drawing.height
    return True
