#!/usr/bin/env python3
"""Draws dashboard.svg, beside this file: the chart's Grafana dashboard, with what was evaluated of the demo.

    python3 docs/images/dashboard.py RECORDING      what `dashboard record` has written; tools/record-dashboard does both

Whatever the dashboard's file says is drawn as Grafana draws it: places, units, thresholds, mappings, legends, columns.
"""

import json
import math
import pathlib
import sys
import time
from xml.sax.saxutils import escape

from grafana import COLOURS, SOFT, colour_of, merged, number, order_of, renamed, settings, shown

HERE = pathlib.Path(__file__)
DASHBOARD = HERE.parents[2] / "charts/connector-operator/files/dashboard.json"
WIDTH, UNIT, GAP, TOP = 1000, 26, 6, 46
BACK, CARD, EDGE, GRID, INK = "#111217", "#181b1f", "#2a2d33", "#26292f", "#d8d9e3"
CHARACTER = 0.56  # how wide a character is, on the whole, against its size


def text(x, y, words, size=10, colour=INK, anchor="start", weight="400"):
    bold = "" if weight == "400" else f' font-weight="{weight}"'
    place = "" if anchor == "start" else f' text-anchor="{anchor}"'
    return f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" fill="{colour}"{place}{bold}>{escape(words)}</text>'


def rectangle(x, y, width, height, fill, extra=""):
    return f'<rect x="{x:.1f}" y="{y:.1f}" width="{max(width, 0):.1f}" height="{max(height, 0):.1f}" fill="{fill}"{extra}/>'


def fit(words, width, size=10):
    most = max(int(width / (size * CHARACTER)), 1)
    return words if len(words) <= most else words[: most - 1] + "…"


# ---- the kinds of panels; each gets the room below the title: x, y, width, height


def draw_stat(panel, queries, box):
    x, y, width, height = box
    series = sorted(queries[0]["series"], key=lambda each: order_of(panel, each["legend"]))
    names = panel["options"]["textMode"]
    out, part = [], width / max(len(series), 1)
    for index, each in enumerate(series):
        middle, value = x + part * (index + 0.5), each["points"][-1][1]
        words, colour = shown(settings(panel, each["legend"]), value)
        if names == "name":
            words, colour = each["legend"], INK
        size = min(30, part / (max(len(words), 2) * CHARACTER))
        out.append(text(middle, y + height / 2 + size * 0.3, words, round(size), colour, "middle", "600"))
        if names == "value_and_name":
            out.append(text(middle, y + height - 6, each["legend"], 10.5, SOFT, "middle"))
    return out


def ticks(most, unit, whole):
    """About three numbers that are round in their unit, from 0 to what is at least `most`."""
    if most <= 0:
        return [0, 1]
    bases = {"bytes": (1, 2**10, 2**20, 2**30), "s": (1, 60, 3600, 86400)}.get(unit, (1,))
    base = max((base for base in bases if base <= most), default=1)
    rough = most / base / 3
    power = 10 ** math.floor(math.log10(rough))
    step = base * next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= rough)
    if whole:
        step = max(1, math.ceil(step))
    return [step * index for index in range(math.ceil(most / step - 1e-9) + 1)]


def moments(recording):
    """Full minutes to write below a curve, five at most."""
    begin, end = recording["from"], recording["to"]
    step = next(step for step in (1, 2, 5, 10, 15, 30, 60, 120) if (end - begin) / (step * 60000) <= 5) * 60000
    first = math.ceil(begin / step) * step
    return range(first, end + 1, step)


def clock(milliseconds):
    return time.strftime("%H:%M", time.gmtime(milliseconds / 1000))


class Plane:
    """Where a time and a value are on paper."""

    def __init__(self, recording, box, most):
        self.begin, self.end = recording["from"], recording["to"]
        self.left, self.top, self.width, self.height = box
        self.most = most

    def x(self, moment):
        return self.left + (moment - self.begin) / (self.end - self.begin) * self.width

    def y(self, value):
        return self.top + self.height * (1 - min(value / self.most, 1.02))


def draw_timeseries(panel, queries, box, recording, step):
    defaults = panel["fieldConfig"]["defaults"]
    custom, unit = defaults["custom"], defaults["unit"]
    series = [each for query in queries for each in query["series"] if any(v is not None for _, v in each["points"])]
    series.sort(key=lambda each: (order_of(panel, each["legend"]), each["legend"]))
    x, y, width, height = box
    words, legend_height = legend(panel, series, x, y + height, width)
    stacked = custom["stacking"]["mode"] == "normal"
    curves = stack(series) if stacked else [[(t, 0, v) for t, v in each["points"]] for each in series]
    most = max((top for curve in curves for _, _, top in curve if top is not None), default=0)
    lines = [step for step in defaults.get("thresholds", {}).get("steps", []) if step["value"] is not None]
    most = max([most * 1.05] + [step["value"] * 1.1 for step in lines if step["value"] < most * 4])
    marks = ticks(most, unit, defaults.get("decimals") == 0)
    margin = 8 + max(len(number(mark, unit)) for mark in marks) * 9 * CHARACTER
    plane = Plane(recording, (x + margin, y + 4, width - margin - 4, height - legend_height - 18), marks[-1])
    out = axes(plane, marks, unit, recording)
    for index in reversed(range(len(series))):
        colour = colour_of(panel, series[index], index)
        if custom["drawStyle"] == "bars":
            out += bars(plane, curves[index], colour, step)
        else:
            out += curve(plane, curves[index], colour, custom["fillOpacity"] / 100, stacked, step)
    for step in lines:
        if step["value"] <= marks[-1]:
            at = plane.y(step["value"])
            out.append(
                f'<path d="M{plane.left:.1f} {at:.1f}h{plane.width:.1f}" stroke="{COLOURS["red"]}" stroke-dasharray="5 4" stroke-opacity="0.8"/>'
            )
    return out + words


def stack(series):
    """Each curve begins where the one before it ends."""
    below, curves = {}, []
    for each in series:
        points = []
        for moment, value in each["points"]:
            bottom = below.get(moment, 0)
            below[moment] = bottom + (value or 0)
            points.append((moment, bottom, below[moment]))
        curves.append(points)
    return curves


def axes(plane, marks, unit, recording):
    out = []
    for mark in marks:
        at = plane.y(mark)
        out.append(f'<path d="M{plane.left:.1f} {at:.1f}h{plane.width:.1f}" stroke="{GRID}"/>')
        out.append(text(plane.left - 5, at + 3, number(mark, unit), 9, SOFT, "end"))
    return out + times(plane, recording)


def times(plane, recording):
    """What time it was, below a plane."""
    out = []
    for moment in moments(recording):
        if plane.x(moment) - plane.left > 10 and plane.left + plane.width - plane.x(moment) > 10:
            out.append(text(plane.x(moment), plane.top + plane.height + 12, clock(moment), 9, SOFT, "middle"))
    return out


def pieces(points, step):
    """The runs of points without a gap."""
    piece, before = [], None
    for point in points:
        if piece and (point[2] is None or point[0] - before > 1.5 * step):
            yield piece
            piece = []
        if point[2] is not None:
            piece.append(point)
        before = point[0]
    if piece:
        yield piece


def curve(plane, points, colour, fill, stacked, step):
    out = []
    for piece in pieces(points, step):
        upper = " ".join(f"{plane.x(t):.1f},{plane.y(top):.1f}" for t, _, top in piece)
        if fill:
            lower = (
                " ".join(f"{plane.x(t):.1f},{plane.y(bottom):.1f}" for t, bottom, _ in reversed(piece))
                if stacked
                else (f"{plane.x(piece[-1][0]):.1f},{plane.y(0):.1f} {plane.x(piece[0][0]):.1f},{plane.y(0):.1f}")
            )
            out.append(f'<polygon points="{upper} {lower}" fill="{colour}" fill-opacity="{fill:g}"/>')
        out.append(f'<polyline points="{upper}" fill="none" stroke="{colour}" stroke-width="1.4"/>')
    return out


def bars(plane, points, colour, step):
    """A bar stands over the time that it counts."""
    path = []
    for moment, bottom, top in points:
        if top is not None and top > bottom:
            left, right = max(plane.x(moment - step) + 1, plane.left), plane.x(moment) - 1
            path.append(f"M{left:.1f} {plane.y(bottom):.1f}V{plane.y(top):.1f}H{right:.1f}V{plane.y(bottom):.1f}z")
    return [f'<path d="{"".join(path)}" fill="{colour}" fill-opacity="0.85"/>'] if path else []


def legend(panel, series, x, bottom, width):
    """The names below a panel, in two lines at most, and how much room they take."""
    entries = [(each["legend"] or panel["title"], colour_of(panel, each, index)) for index, each in enumerate(series)]
    lines, at = [[]], 0
    for place, (name, colour) in enumerate(entries):
        name = fit(name, width - 30, 9)
        needed = 19 + len(name) * 9 * (CHARACTER + 0.04)
        if at + needed > width - (50 if len(lines) == 2 and place < len(entries) - 1 else 0) and lines[-1]:
            if len(lines) == 2:
                lines[-1].append((width, f"+ {len(entries) - place}", None))
                break
            lines.append([])
            at = 0
        lines[-1].append((at, name, colour))
        at += needed
    out = []
    for index, line in enumerate(lines):
        base = bottom - 4 - (len(lines) - 1 - index) * 13
        for offset, name, colour in line:
            if colour:
                out.append(rectangle(x + offset, base - 5, 8, 3, colour, ' rx="1.5"'))
                out.append(text(x + offset + 11, base, name, 9, SOFT))
            else:
                out.append(text(x + offset, base, name, 9, SOFT, "end"))
    return out, len(lines) * 13 + 2


def draw_timeline(panel, queries, box, recording, step):
    x, y, width, height = box
    found = panel["fieldConfig"]["defaults"]
    series = sorted(queries[0]["series"], key=lambda each: each["legend"])
    words, legend_height = state_legend(found, x, y + height)
    room = height - legend_height - 16
    names = min(max((len(each["legend"]) for each in series), default=0) * 9 * CHARACTER + 10, width * 0.52)
    line = min(room / max(len(series), 1), 22)
    plane = Plane(recording, (x + names, y, width - names - 4, line * len(series)), 1)
    out = []
    for index, each in enumerate(series):
        top = y + index * line
        out.append(text(x + names - 6, top + line / 2 + 3, fit(each["legend"], names - 8, 9), 9, SOFT, "end"))
        for begin, end, value in stretches(each["points"], step):
            _, colour = shown(found, value)
            left, right = max(plane.x(begin), plane.left), min(plane.x(end), plane.left + plane.width)
            out.append(rectangle(left, top + 2, right - left, line - 4, colour, ' fill-opacity="0.85" rx="1"'))
    return out + times(plane, recording) + words


def stretches(points, step):
    """From when until when each value lasted."""
    begin, last, before = None, None, None
    for moment, value in points:
        if begin is not None and (value != last or moment - before > 1.5 * step):
            yield begin, min(before + step, moment), last
            begin = None
        if begin is None and value is not None:
            begin = moment
        last, before = value, moment
    if begin is not None:
        yield begin, before + step, last


def state_legend(found, x, bottom):
    out, at = [], x
    for mapping in found.get("mappings", []):
        for entry in mapping["options"].values():
            out.append(rectangle(at, bottom - 9, 8, 3, COLOURS[entry["color"]], ' rx="1.5"'))
            out.append(text(at + 11, bottom - 4, entry["text"], 9, SOFT))
            at += 20 + len(entry["text"]) * 9 * CHARACTER
    return out, 15


def draw_table(panel, queries, box):
    x, y, width, height = box
    columns, rows = merged(panel, queries)
    line, shares = 18, widths(panel, columns, rows)
    out, at = [], x
    places = []
    for share in shares:
        places.append((at, share * width))
        at += share * width
    for (left, room), (_, title) in zip(places, columns):
        out.append(text(left + 4, y + 12, fit(title, room - 6), 10, COLOURS["blue"], weight="600"))
    fitting = int((height - 20) / line)
    for index, row in enumerate(rows[:fitting]):
        top = y + 17 + index * line
        out.append(f'<path d="M{x:.1f} {top:.1f}h{width:.1f}" stroke="{EDGE}"/>')
        for (left, room), (key, title) in zip(places, columns):
            words, colour = cell(panel, title, row.get(key))
            out.append(text(left + 4, top + 13, fit(words, room - 6), 10, colour))
    if len(rows) > fitting:
        out.append(text(x + width - 4, y + height - 2, f"+ {len(rows) - fitting}", 9, SOFT, "end"))
    return out


def cell(panel, title, value):
    if value is None:
        return "", INK
    if isinstance(value, str):
        return value, INK
    found = settings(panel, title)
    words, colour = shown(found, value)
    return words, colour if "custom.cellOptions" in found else INK


def widths(panel, columns, rows):
    longest = [
        max([len(title)] + [len(cell(panel, title, row.get(key))[0]) for row in rows]) + 2 for key, title in columns
    ]
    return [each / sum(longest) for each in longest]


# ---- the whole


def draw_panel(panel, drawn, recording):
    place = panel["gridPos"]
    x, y = place["x"] * WIDTH / 24 + GAP / 2, TOP + place["y"] * UNIT + GAP / 2
    width, height = place["w"] * WIDTH / 24 - GAP, place["h"] * UNIT - GAP
    if panel["type"] == "row":
        return [text(x + 4, y + 15, "▾  " + panel["title"], 12.5, INK, weight="600")]
    out = [rectangle(x, y, width, height, CARD, f' stroke="{EDGE}" rx="3"')]
    out.append(text(x + 9, y + 17, fit(panel["title"], width - 18, 11), 11, INK, weight="600"))
    box, queries = (x + 9, y + 26, width - 18, height - 32), renamed(panel, drawn["queries"])
    if not any(query["series"] for query in queries):
        return out + [text(x + width / 2, y + height / 2 + 6, "No data", 12, SOFT, "middle")]
    match panel["type"]:
        case "stat":
            return out + draw_stat(panel, queries, box)
        case "timeseries":
            return out + draw_timeseries(panel, queries, box, recording, drawn["step"])
        case "state-timeline":
            return out + draw_timeline(panel, queries, box, recording, drawn["step"])
        case "table":
            return out + draw_table(panel, queries, box)
    raise SystemExit(f"no panel of type {panel['type']} can be drawn yet: {panel['title']}")


def main():
    dashboard = json.loads(DASHBOARD.read_text())
    recording = json.loads(pathlib.Path(sys.argv[1]).read_text())
    drawn = {panel["id"]: panel for panel in recording["panels"]}
    height = TOP + max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in dashboard["panels"]) * UNIT + GAP
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" '
        f'font-family="Inter, system-ui, \'DejaVu Sans\', sans-serif" role="img" aria-label="The Grafana dashboard">',
        rectangle(0, 0, WIDTH, height, BACK, ' rx="6"'),
        text(12, 29, dashboard["title"], 17, INK, weight="600"),
    ]
    at = 220
    for variable in dashboard["templating"]["list"]:
        value = "Prometheus" if variable["type"] == "datasource" else "All"
        out.append(text(at, 28, variable["label"], 10, SOFT))
        at += len(variable["label"]) * 6 + 8
        out.append(rectangle(at, 15, len(value) * 6 + 16, 19, CARD, f' stroke="{EDGE}" rx="3"'))
        out.append(text(at + 8, 28, value, 10))
        at += len(value) * 6 + 36
    span = f"{clock(recording['from'])} to {clock(recording['to'])} UTC"
    out.append(text(WIDTH - 12, 28, span, 10, SOFT, "end"))
    for panel in dashboard["panels"]:
        out += draw_panel(panel, drawn.get(panel["id"]), recording)
    out.append("</svg>\n")
    HERE.with_suffix(".svg").write_text("\n".join(out))


main()
