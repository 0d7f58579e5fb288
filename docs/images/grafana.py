"""What a dashboard's file says, as Grafana understands it: units, thresholds, mappings, colours, transformations."""

import math
import re

SOFT = "#9b9cab"
COLOURS = {
    "green": "#73bf69",
    "yellow": "#f2cc0c",
    "blue": "#5794f2",
    "orange": "#ff9830",
    "red": "#f2495c",
    "purple": "#b877d9",
    "text": SOFT,
    "transparent": None,
}
PALETTE = [
    "#73bf69",
    "#f2cc0c",
    "#5794f2",
    "#ff9830",
    "#b877d9",
    "#37b8c4",
    "#f2495c",
    "#c4a484",
    "#96d98d",
    "#8ab8ff",
    "#ffa6b0",
    "#dedaf7",
]


# ---- numbers as Grafana writes them


def trim(value, digits=2):
    return f"{value:.{digits}f}".rstrip("0").rstrip(".") if digits else f"{value:.0f}"


def scaled(value, steps, base):
    for step in steps[:-1]:
        if abs(value) < base:
            return f"{trim(value, 1)} {step}".strip()
        value /= base
    return f"{trim(value, 1)} {steps[-1]}"


def seconds(value):
    size = abs(value)
    if size == 0:
        return "0 s"
    if size < 1:
        return f"{trim(value * 1000, 0 if size >= 0.01 else 1)} ms"
    for length, name in ((86400, "days"), (3600, "h"), (60, "min")):
        if size >= length:
            return f"{trim(value / length, 1)} {name}"
    return f"{trim(value, 1)} s"


def number(value, unit):
    if unit == "s":
        return seconds(value)
    if unit == "bytes":
        return scaled(value, ["B", "KiB", "MiB", "GiB"], 1024)
    if unit == "percentunit":
        return f"{trim(value * 100, 2 if value < 0.02 else 1)} %"
    if unit in ("reqpm", "opm"):
        return f"{trim(value, 1)} /min"
    if unit == "short":
        return scaled(value, ["", "K", "M"], 1000)
    return trim(value)


# ---- what a panel's settings say


def settings(panel, name):
    """The defaults of the fields, with what is set otherwise for the one of this name."""
    found = {**panel["fieldConfig"]["defaults"]}
    for override in panel["fieldConfig"]["overrides"]:
        if matches(override["matcher"], name):
            found.update({each["id"]: each["value"] for each in override["properties"]})
    return found


def matches(matcher, name):
    if matcher["id"] == "byRegexp":
        return re.search(matcher["options"].strip("/"), name) is not None
    return matcher["options"] == name


def threshold(found, value):
    colour = "text"
    for step in found.get("thresholds", {}).get("steps", []):
        if step["value"] is None or value >= step["value"]:
            colour = step["color"]
    return COLOURS[colour]


def mapped(found, value):
    """The word and colour that a value stands for, or None."""
    for mapping in found.get("mappings", []):
        if (entry := mapping["options"].get(trim(value))) is not None:
            return entry["text"], COLOURS[entry["color"]]
    return None


def shown(found, value):
    """A value as words and colour."""
    return mapped(found, value) or (number(value, found["unit"]), threshold(found, value))


def order_of(panel, legend):
    """The first override that is for a series says where it stands."""
    overrides = panel["fieldConfig"]["overrides"]
    return next((place for place, each in enumerate(overrides) if matches(each["matcher"], legend)), len(overrides))


def colour_of(panel, each, index):
    fixed = settings(panel, each["legend"]).get("color", {})
    return COLOURS[fixed["fixedColor"]] if "fixedColor" in fixed else PALETTE[index % len(PALETTE)]


# ---- what its transformations make of the series


def renamed(panel, queries):
    """The queries with the legends that the panel's transformations make."""
    for each in panel.get("transformations", []):
        if each["id"] == "renameByRegex":
            for series in (series for query in queries for series in query["series"]):
                series["legend"] = re.sub(each["options"]["regex"], each["options"]["renamePattern"], series["legend"])
    return queries


def merged(panel, queries):
    """The columns in order, and one row for each set of labels, as the panel's transformations make them."""
    organize = next(each["options"] for each in panel["transformations"] if each["id"] == "organize")
    several, rows = len(queries) > 1, {}
    for query in queries:
        value_name = f"Value #{query['ref']}" if several else "Value"
        for each in query["series"]:
            labels = {name: value for name, value in each["labels"].items() if name != "__name__"}
            row = rows.setdefault(tuple(sorted(labels.items())), labels)
            row[value_name] = each["points"][-1][1]
    order = organize["indexByName"]
    columns = [(key, organize["renameByName"].get(key, key)) for key in sorted(order, key=order.get)]
    found = list(rows.values())
    for sort in panel["options"].get("sortBy", []):
        key = next(key for key, title in columns if title == sort["displayName"])
        found.sort(key=lambda row: row.get(key) if row.get(key) is not None else math.inf, reverse=sort["desc"])
    return columns, found
