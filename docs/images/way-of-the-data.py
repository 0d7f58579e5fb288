#!/usr/bin/env python3
"""Draws way-of-the-data.svg, beside this file: python3 docs/images/way-of-the-data.py"""

import pathlib
from xml.sax.saxutils import escape

INK, SOFT, LINE, FILL, HOT = "#1f2937", "#6b7280", "#9ca3af", "#f8fafc", "#2563eb"
boxes = {
    # name: x, y, width, height, title, subtitle
    "cr": (20, 40, 200, 64, "ScalrConnector", "PlanetScaleConnector"),
    "secret": (20, 150, 200, 52, "Secret", "token, read once a run"),
    "controller": (300, 40, 190, 64, "controller", "decides when, writes status"),
    "sync": (300, 150, 190, 52, "sync", "one run, or none"),
    "connector": (570, 150, 190, 52, "connectors", "every page, or an error"),
    "saas": (570, 40, 190, 64, "Scalr, PlanetScale", "GET only"),
    "snapshot": (300, 250, 190, 52, "snapshot", ".c1z, published whole"),
    "baton": (570, 250, 190, 52, "baton CLI", "resources, grants, access"),
    "c1": (570, 340, 190, 52, "C1", "asks, and gets a fresh one"),
    "c1loop": (300, 340, 190, 52, "c1", "a task: read anew, deliver"),
}
arrows = [
    # from, to, label, where the label stands (x, y)
    ((220, 66), (300, 66), "watch", (240, 58)),
    ((300, 84), (220, 84), "status", (240, 98)),
    ((220, 176), (300, 176), "get", (249, 168)),
    ((380, 104), (380, 150), "due", (352, 131)),
    ((410, 150), (410, 104), "outcome", (418, 131)),
    ((490, 166), (570, 166), "read", (517, 158)),
    ((570, 186), (490, 186), "records", (508, 201)),
    ((665, 150), (665, 104), "pages", (673, 131)),
    ((395, 202), (395, 250), "only when complete", (403, 230)),
    ((490, 276), (570, 276), "open", (517, 268)),
    ((395, 302), (395, 340), "for the task", (403, 325)),
    ((570, 356), (490, 356), "tasks", (517, 350)),
    ((490, 376), (570, 376), "upload", (513, 391)),
]


def text(x, y, words, size, colour, weight="400", anchor="start"):
    return (
        f'<text x="{x}" y="{y}" font-size="{size}" fill="{colour}" font-weight="{weight}" '
        f'text-anchor="{anchor}">{escape(words)}</text>'
    )


def main():
    out = [
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 780 420" width="780" height="420" '
        'font-family="system-ui, sans-serif" role="img" aria-label="The way of the data">',
        '<defs><marker id="tip" markerWidth="9" markerHeight="8" refX="8" refY="4" orient="auto">'
        f'<path d="M0,0 L9,4 L0,8 z" fill="{HOT}"/></marker></defs>',
        '<rect width="780" height="420" fill="#ffffff"/>',
        text(20, 24, "Kubernetes", 13, SOFT, "600"),
        text(300, 24, "connector-operator", 13, SOFT, "600"),
        text(570, 24, "upstream", 13, SOFT, "600"),
    ]
    for x, y, width, height, title, subtitle in boxes.values():
        out.append(
            f'<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="8" fill="{FILL}" stroke="{LINE}"/>'
        )
        middle = x + width / 2
        out.append(text(middle, y + height / 2 - 3, title, 15, INK, "600", "middle"))
        out.append(text(middle, y + height / 2 + 15, subtitle, 12, SOFT, "400", "middle"))
    for (x1, y1), (x2, y2), label, (lx, ly) in arrows:
        out.append(
            f'<line x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}" stroke="{HOT}" stroke-width="1.6" '
            'marker-end="url(#tip)"/>'
        )
        out.append(text(lx, ly, label, 11, SOFT))
    out.append("</svg>\n")
    pathlib.Path(__file__).with_suffix(".svg").write_text("\n".join(out))


main()
