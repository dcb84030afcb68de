"""The results as a picture: for each workload a bar of requests per second for each peer."""

from html import escape

from tests.benchmark.report import number
from tests.benchmark.results import Results
from tests.benchmark.targets import OURS

WIDTH, LEFT, RIGHT = 760, 220, 90
BAR, GAP, HEAD = 16, 5, 44
STYLE = "text { font: 12px sans-serif; fill: #222; } .head { font-weight: bold; font-size: 14px; }"
COLOURS = {True: "#1f6feb", False: "#9aa5b1"}


def svg(results: Results) -> str:
    """Return an SVG picture; each workload has a scale of its own."""
    lines: list[str] = []
    y = 8
    for workload in results.workloads:
        lines.append(_text(10, y + 22, f"{workload}: requests per second", "head"))
        y += HEAD - 12
        rates = {
            peer: results.middle(peer, workload, lambda run: run.requests_s)
            for peer in results.peers
        }
        most = max(rates.values(), default=0) or 1
        for peer, rate in rates.items():
            lines += _bar(y, peer, rate, (WIDTH - LEFT - RIGHT) * rate / most)
            y += BAR + GAP
        y += 12
    size = f'width="{WIDTH}" height="{y}" viewBox="0 0 {WIDTH} {y}"'
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img">',
            "<title>Requests per second by workload and server</title>",
            f"<style>{STYLE}</style>",
            f'<rect width="{WIDTH}" height="{y}" fill="#fff"/>',
            *lines,
            "</svg>\n",
        ]
    )


def _bar(y: int, peer: str, rate: float, width: float) -> list[str]:
    colour = COLOURS[peer.startswith(OURS)]
    told = number(rate) if rate else "not measured"
    return [
        _text(LEFT - 8, y + 12, peer, "name", 'text-anchor="end"'),
        f'<rect x="{LEFT}" y="{y}" width="{max(width, 1):.1f}" height="{BAR}" fill="{colour}"/>',
        _text(LEFT + max(width, 1) + 6, y + 12, told, "value"),
    ]


def _text(x: float, y: int, text: str, kind: str, more: str = "") -> str:
    return f'<text x="{x:.1f}" y="{y}" class="{kind}" {more}>{escape(text)}</text>'
