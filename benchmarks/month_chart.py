"""The curves of review_month.py as an SVG that reads on a light page and on a dark one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

# Okabe and Ito 2008, a little lighter on a dark page; dashes tell the lines apart without colour.
_STYLE = """
text{font:12px system-ui,sans-serif;fill:#545e70}.title{font-weight:600;fill:#151a23}
.grid{stroke:#dfe3eb}.line{fill:none;stroke-width:2.2;stroke-linejoin:round}
.queue{stroke:#0072b2}.random{stroke:#767f8f;stroke-dasharray:6 4}.uncertain{stroke:#d55e00;stroke-dasharray:2 3}
@media (prefers-color-scheme:dark){text{fill:#aab3c2}.title{fill:#eef1f6}.grid{stroke:#343c4a}
.queue{stroke:#56b4e9}.random{stroke:#9aa3b2}.uncertain{stroke:#ff9a4d}}
"""
_WIDE, _HIGH, _LEFT, _TOP = 300, 190, 44, 56

Curve = Sequence[tuple[int, float]]


def write_chart(path: Path, panels: Mapping[str, Mapping[str, Curve]], says: str) -> None:
    """One panel for each title, beside each other: by strategy the points (day, share in 0..1)."""
    width = _LEFT + len(panels) * (_WIDE + 60)
    body = [_legend(next(iter(panels.values())))]
    for place, (title, curves) in enumerate(panels.items()):
        body.append(
            f'<g transform="translate({_LEFT + place * (_WIDE + 60)} {_TOP})">{_panel(title, curves)}</g>'
        )
    path.write_text(
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {_TOP + _HIGH + 44}" role="img">'
        f"<title>{says}</title><style>{_STYLE}</style>{''.join(body)}</svg>\n"
    )


def _legend(curves: Mapping[str, Curve]) -> str:
    found = []
    for place, name in enumerate(curves):
        x = _LEFT + place * 110
        found.append(f'<path class="line {name}" d="M{x} 14h28"/><text x="{x + 34}" y="18">{name}</text>')
    return "".join(found)


def _panel(title: str, curves: Mapping[str, Curve]) -> str:
    last = max(day for curve in curves.values() for day, _ in curve)
    top = 1.0 if max(share for curve in curves.values() for _, share in curve) > 0.5 else 0.5
    found = [f'<text class="title" x="0" y="-12">{title}</text>']
    for step in range(6):
        share, y = top * step / 5, _HIGH - _HIGH * step / 5
        found.append(
            f'<path class="grid" d="M0 {y:g}h{_WIDE}"/><text x="-6" y="{y + 4:g}" text-anchor="end">{share:.0%}</text>'
        )
    found += [
        f'<text x="{_WIDE * day / last:.1f}" y="{_HIGH + 18}" text-anchor="middle">{day}</text>'
        for day in range(0, last + 1, 6)
    ]
    found.append(f'<text x="{_WIDE / 2}" y="{_HIGH + 36}" text-anchor="middle">day</text>')
    for name, curve in curves.items():
        points = " ".join(f"{_WIDE * day / last:.1f},{_HIGH * (1 - share / top):.1f}" for day, share in curve)
        found.append(f'<polyline class="line {name}" points="{points}"/>')
    return "".join(found)
