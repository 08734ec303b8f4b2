"""Scatter plots as SVG text: labelled points on logarithmic axes, readable in light and dark.

The file is self-contained: no scripts, no fonts, colours that follow the reader's colour scheme.
The same points give the same bytes.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape

WIDTH, PANEL_HEIGHT = 840, 420
LEFT, RIGHT, TOP, BOTTOM = 72, 24, 44, 56  # margins of a panel, in pixels
FONT_SIZE = 12
CHARACTER_WIDTH = 6.8  # of sans-serif text at FONT_SIZE, on the wide side
LINE_HEIGHT = 15
RADIUS = 4
MOST_RINGS = 24  # how far from its point a label may go
PADDING = 0.07  # of an axis's length, free at both ends
LEAST_TICKS = 3

STYLE = """\
svg { color-scheme: light dark; }
.paper { fill: #ffffff; }
text { fill: #1d1c1a; font: 12px system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
.title { font-weight: 600; font-size: 14px; }
.soft { fill: #65625b; }
.grid { stroke: #e2dfd7; }
.lead { stroke: #a09c93; }
.point { fill: #2f6b56; }
.label { paint-order: stroke; stroke: #ffffff; stroke-width: 3px; stroke-linejoin: round; }
@media (prefers-color-scheme: dark) {
  .paper { fill: #161615; }
  text { fill: #ebe8e1; }
  .soft { fill: #a09c93; }
  .grid { stroke: #33312d; }
  .lead { stroke: #65625b; }
  .point { fill: #8ac7ae; }
  .label { stroke: #161615; }
}
"""


@dataclass(frozen=True, slots=True)
class Point:
    """A labelled point; both values are positive, or y is 0 and is drawn at the bottom."""

    label: str
    x: float
    y: float


@dataclass(frozen=True, slots=True)
class Panel:
    """One plot."""

    title: str
    x_title: str
    points: Sequence[Point]


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle, in pixels."""

    left: float
    top: float
    right: float
    bottom: float

    def overlaps(self, other: Box) -> bool:
        """Whether the two share any area."""
        return (
            self.left < other.right
            and other.left < self.right
            and self.top < other.bottom
            and other.top < self.bottom
        )

    def nearest(self, x: float, y: float) -> tuple[float, float]:
        """The rectangle's point that is nearest to (x, y)."""
        return min(max(x, self.left), self.right), min(max(y, self.top), self.bottom)

    def holds(self, other: Box) -> bool:
        """Whether the other lies within this one."""
        return (
            self.left <= other.left
            and other.right <= self.right
            and self.top <= other.top
            and other.bottom <= self.bottom
        )


@dataclass(frozen=True, slots=True)
class Axis:
    """A logarithmic axis between two positive values, drawn from pixel `start` to pixel `end`."""

    low: float
    high: float
    start: float
    end: float

    def place(self, value: float) -> float:
        """The pixel of a value."""
        share = math.log(value / self.low) / math.log(self.high / self.low)
        return self.start + share * (self.end - self.start)


def draw_panels(panels: Sequence[Panel]) -> str:
    """An SVG file with the panels one below the other."""
    height = PANEL_HEIGHT * len(panels)
    title = escape("; ".join(panel.title for panel in panels))
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
        f'width="{WIDTH}" height="{height}" role="img">',
        f"<title>{title}</title>",
        f"<style>\n{STYLE}</style>",
        f'<rect class="paper" width="{WIDTH}" height="{height}"/>',
    ]
    xs = [point.x for panel in panels for point in panel.points]
    x_axis = Axis(*_range(xs), LEFT, WIDTH - RIGHT)
    for index, panel in enumerate(panels):
        move = f"translate(0 {index * PANEL_HEIGHT})"
        lines += [f'<g transform="{move}">', *_panel(panel, x_axis), "</g>"]
    return "\n".join([*lines, "</svg>", ""])


def _panel(panel: Panel, x_axis: Axis) -> Iterator[str]:
    """The elements of one plot."""
    bottom = PANEL_HEIGHT - BOTTOM
    yield f'<text class="title" x="{LEFT}" y="24">{escape(panel.title)}</text>'
    yield (
        f'<text class="soft" x="{(LEFT + WIDTH - RIGHT) / 2:.0f}" y="{PANEL_HEIGHT - 14}" '
        f'text-anchor="middle">{escape(panel.x_title)} (logarithmic, as the other axis)</text>'
    )
    y_axis = Axis(*_range([p.y for p in panel.points]), bottom, TOP)
    for tick in ticks(x_axis.low, x_axis.high):
        x = x_axis.place(tick)
        yield f'<path class="grid" d="M{x:.1f} {TOP}V{bottom}"/>'
        yield f'<text x="{x:.1f}" y="{bottom + 18}" text-anchor="middle">{tick_label(tick)}</text>'
    for tick in ticks(y_axis.low, y_axis.high):
        y = y_axis.place(tick)
        yield f'<path class="grid" d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}"/>'
        yield f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{tick_label(tick)}</text>'
    yield from _points(panel.points, x_axis, y_axis)


def _points(points: Sequence[Point], x_axis: Axis, y_axis: Axis) -> Iterator[str]:
    """Points and their labels, with a line between the two where they are apart."""
    places = [
        (x_axis.place(p.x), y_axis.place(p.y) if p.y > 0 else y_axis.start - RADIUS) for p in points
    ]
    texts = [p.label if p.y > 0 else f"{p.label}: 0" for p in points]
    area = Box(LEFT, TOP, WIDTH - RIGHT, PANEL_HEIGHT - BOTTOM)
    boxes = place_labels(places, texts, area)
    for (x, y), box in zip(places, boxes, strict=True):
        near_x, near_y = box.nearest(x, y)
        if math.hypot(near_x - x, near_y - y) > 2 * RADIUS:
            yield f'<path class="lead" d="M{x:.1f} {y:.1f}L{near_x:.1f} {near_y:.1f}"/>'
    for (x, y), text in zip(places, texts, strict=True):
        yield (
            f'<circle class="point" cx="{x:.1f}" cy="{y:.1f}" r="{RADIUS}">'
            f"<title>{escape(text)}</title></circle>"
        )
    for text, box in zip(texts, boxes, strict=True):
        place = f'x="{box.left:.1f}" y="{box.bottom - 4:.1f}"'
        yield f'<text class="label" {place}>{escape(text)}</text>'


def place_labels(
    places: Sequence[tuple[float, float]], texts: Sequence[str], area: Box
) -> list[Box]:
    """Boxes for the points' labels that overlap no other label, no point, and stay in the area.

    Each label takes the nearest free place around its point to which a straight line leads without
    crossing another label, else the nearest free one, else the one to the right of the point.
    """
    taken = [Box(x - RADIUS, y - RADIUS, x + RADIUS, y + RADIUS) for x, y in places]
    leads: list[Box] = []
    boxes = []
    for (x, y), text in zip(places, texts, strict=True):
        nearest = list(_candidates(x, y, CHARACTER_WIDTH * len(text)))
        free = [c for c in nearest if area.holds(c) and _is_free([c], taken)]
        clear = (c for c in free if _is_free([c], leads) and _is_free(_lead(x, y, c), taken))
        box = next(clear, (free or nearest)[0])
        taken.append(box)
        leads += _lead(x, y, box)
        boxes.append(box)
    return boxes


def _is_free(boxes: Sequence[Box], taken: Sequence[Box]) -> bool:
    """Whether none of the boxes overlaps one that is taken."""
    return not any(box.overlaps(other) for box in boxes for other in taken)


def _lead(x: float, y: float, box: Box) -> list[Box]:
    """The line from a point to its label as a row of small boxes, without its first pixels."""
    near_x, near_y = box.nearest(x, y)
    length = math.hypot(near_x - x, near_y - y)
    steps = range(2 * RADIUS, math.floor(length), RADIUS)
    middles = [(x + (near_x - x) * s / length, y + (near_y - y) * s / length) for s in steps]
    return [Box(a - 0.5, b - 0.5, a + 0.5, b + 0.5) for a, b in middles]


def _candidates(x: float, y: float, width: float) -> Iterator[Box]:
    """Places for a label, nearest first: beside, above and below its point, then in rings."""
    for ring in range(MOST_RINGS):
        away = RADIUS + 3 + ring * LINE_HEIGHT / 2
        for angle in range(0, 360, 45 if ring == 0 else 15):
            across, up = math.cos(math.radians(angle)), math.sin(math.radians(angle))
            left = x + away * across - (width / 2) * (1 - across)
            top = y - away * up - (LINE_HEIGHT / 2) * (1 + up)
            yield Box(left, top, left + width, top + LINE_HEIGHT)


def _range(values: Sequence[float]) -> tuple[float, float]:
    """Ends of an axis that holds the positive values with room at both sides."""
    positive = [value for value in values if value > 0] or [1.0]
    low, high = min(positive), max(positive)
    if high < 1.05 * low:
        low, high = low / 1.05, high * 1.05
    room = (high / low) ** PADDING
    if len(positive) < len(values):
        return low / room / 2, high * room
    return low / room, high * room


def ticks(low: float, high: float) -> list[float]:
    """Round values between the ends of an axis, at least three where there are such.

    >>> ticks(0.8, 130.0)
    [1.0, 10.0, 100.0]
    >>> ticks(8.0, 70.0)
    [10.0, 20.0, 50.0]
    >>> ticks(1.02, 1.5)
    [1.1, 1.2, 1.3, 1.4, 1.5]
    """
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    found: list[float] = []
    for mantissas in ((1,), (1, 2, 5), (1, 1.5, 2, 3, 5, 7)):
        found = [
            float(f"{mantissa}e{power}")
            for power in range(first, last + 1)
            for mantissa in mantissas
            if low <= float(f"{mantissa}e{power}") <= high
        ]
        if len(found) >= LEAST_TICKS:
            return found
    return _even_ticks(low, high)


def _even_ticks(low: float, high: float) -> list[float]:
    """Multiples of 1, 2 or 5 times a power of ten; between four and nine of them."""
    rough = (high - low) / 4
    power = math.floor(math.log10(rough))
    step = max(float(f"{m}e{power}") for m in (1, 2, 5) if float(f"{m}e{power}") <= rough)
    first, last = math.ceil(low / step), math.floor(high / step)
    return [float(f"{index * step:.12g}") for index in range(first, last + 1)]


def tick_label(value: float) -> str:
    """A tick's value in few characters.

    >>> tick_label(0.00001), tick_label(0.25), tick_label(2000.0)
    ('1e-5', '0.25', '2,000')
    """
    if 0.0001 <= value < 1e6:
        return f"{value:,.12g}"
    mantissa, _, power = f"{value:.0e}".partition("e")
    return f"{mantissa}e{int(power)}"
