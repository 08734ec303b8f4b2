"""The picture of a bench: a bar for each kernel of a token."""

from __future__ import annotations

from html import escape

from webgemma.bench.measure import Bench, KernelTime
from webgemma.bench.report import share_of_copy
from webgemma.scatter import STYLE

WIDTH = 840
LEFT, RIGHT, TOP, BOTTOM = 250, 190, 52, 16  # margins around the bars, in pixels
ROW, BAR = 26, 14  # heights of a kernel's row and of its bar


def draw(bench: Bench) -> str:
    """An SVG file, readable in light and dark: kernels in the order a token meets them."""
    height = TOP + ROW * len(bench.kernels) + BOTTOM
    longest = max(kernel.seconds for kernel in bench.kernels)
    title = f"A token of {bench.model} on {bench.adapter}: {1e3 * bench.kernels_seconds:.2f} ms"
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
        f'width="{WIDTH}" height="{height}" role="img">',
        f"<title>{escape(title)}</title>",
        f"<style>{STYLE}</style>",
        '<rect class="paper" width="100%" height="100%"/>',
        f'<text class="title" x="16" y="28">{escape(title)}</text>',
    ]
    for row, kernel in enumerate(bench.kernels):
        lines += _bar(bench, kernel, TOP + ROW * row, kernel.seconds / longest)
    return "\n".join([*lines, "</svg>", ""])


def _bar(bench: Bench, kernel: KernelTime, top: int, share: float) -> list[str]:
    width = max(1.0, share * (WIDTH - LEFT - RIGHT))
    baseline = top + BAR - 2
    figures = f"{1e3 * kernel.seconds:.2f} ms"
    if kernel.weights_nbytes:
        figures += f", {share_of_copy(bench, kernel.bandwidth)} of copy"
    name = f"{kernel.template} x {kernel.dispatches}"
    return [
        f'<text x="{LEFT - 10}" y="{baseline}" text-anchor="end">{escape(name)}'
        f"<title>{escape(kernel.name)}</title></text>",
        f'<rect class="point" x="{LEFT}" y="{top}" width="{width:.1f}" height="{BAR}" rx="2"/>',
        f'<text class="soft" x="{LEFT + width + 8:.1f}" y="{baseline}">{figures}</text>',
    ]
