#!/usr/bin/env python3
"""Draws demo.svg, beside this file, out of what `make demo DEMO=once` writes to a terminal.

    python3 docs/images/demo.py [TRANSCRIPT]

Without a transcript it runs the demo in a terminal of its own, which takes a minute. The scenes take turns; a viewer that
does not animate, and a reader who wants less motion, sees the second.
"""

import os
import pathlib
import pty
import re
import sys
from xml.sax.saxutils import escape

HERE = pathlib.Path(__file__)
COLUMNS, SIZE, LINE, PAD, BAR = 124, 12, 17, 18, 34
CHARACTER = SIZE * 0.602
SECONDS, STILL = 7, 1  # how long each scene stays, and which one is seen without animation
BACK, FRAME, INK, FAINT = "#0d1117", "#30363d", "#d1d7e0", "#8b949e"
COLOURS = {"1": "#f0f6fc", "2": FAINT, "31": "#ff7b72", "32": "#56d364"}
ESCAPE = re.compile(r"\x1b\[(\d*)m")

# What each scene shows: lines of the story, and commands (those with a $), by what is in them; and of a command, how many lines
# of what it wrote. `None` is all of them.
SCENES = [
    (
        "From nothing to two connected connectors",
        [
            (r"Starting etcd", 0),
            (r"The API server answers", 0),
            (r"\$ kubectl apply -f crds/", 2),
            (r"Starting the simulated", 0),
            (r"Simulated:", 0),
            (r"Starting the operator", 0),
            (r"The operator is ready", 0),
            (r"\$ kubectl apply -n connector-demo .*scalr.yaml|\$ .*scalr.yaml . kubectl", None),
            (r"\$ kubectl apply -n connector-demo .*planetscale.yaml|\$ .*planetscale.yaml . kubectl", None),
            (r" (Syncing|Connected) ", 0),
        ],
    ),
    (
        "What Kubernetes tells",
        [
            (r"\$ kubectl get connectors -A", None),
            (r"\$ kubectl get events", None),
            (r"\$ kubectl auth can-i get secrets", None),
            (r"\$ kubectl auth can-i delete", None),
        ],
    ),
    (
        "What C1's own baton reads in the snapshots",
        [
            (r"\$ baton resources", 5),
            (r"\$ baton grants", 5),
            (r"\$ baton access", None),
        ],
    ),
    (
        "C1 asks, and is given a fresh one",
        [
            (r"\$ kubectl patch", None),
            (r"\$ kubectl wait", None),
            (r"\$ curl .*/tasks", None),
            (r"\$ curl .*/transcript", None),
            (r"Everything is as expected", 0),
        ],
    ),
]


def run_demo():
    """What the demo writes where there is a terminal."""
    written = bytearray()

    def keep(descriptor):
        data = os.read(descriptor, 65536)
        written.extend(data)
        return data

    os.environ.update(TERM="xterm-256color")
    os.environ.pop("KUBECONFIG", None)
    if pty.spawn(["make", "--no-print-directory", "-C", str(HERE.parents[2]), "demo", "DEMO=once"], keep) != 0:
        raise SystemExit("the demo has failed")
    return written.decode()


def plain(line):
    return ESCAPE.sub("", line)


def blocks(transcript):
    """Each line of the story, and each command with what it wrote."""
    found = [[""]]
    for line in transcript.replace("\r", "").split("\n"):
        if plain(line).startswith(("$ ", "[")):
            found.append([line])
        else:
            found[-1].append(line)
    return [without_blank_end(block) for block in found]


def without_blank_end(block):
    while len(block) > 1 and not block[-1].strip():
        block = block[:-1]
    return block


def scene_lines(parts, found):
    lines, in_story = [], True
    for part, count in parts:
        matching = [
            block
            for block in found
            if re.search(part, plain(block[0])) and is_story(block) == (not part.startswith(r"\$"))
        ]
        if not matching:
            raise SystemExit(f"the demo has not written: {part}")
        for block in matching if is_story(matching[0]) else matching[:1]:
            if lines and not (in_story and is_story(block)):
                lines.append("")
            in_story = is_story(block)
            end = len(block) if count is None else count + 1
            lines += block[:end]
            if count and len(block) > end:
                lines.append("\x1b[2m…\x1b[0m")
    return lines


def is_story(block):
    return plain(block[0]).startswith("[")


def spans(line):
    """The line in pieces of one colour, cut at the width."""
    colour, room, out = INK, COLUMNS, []
    for index, piece in enumerate(ESCAPE.split(line)):
        if index % 2:
            colour = COLOURS.get(piece, INK)
        elif piece and room > 0:
            shown = piece if len(piece) <= room else piece[: room - 1] + "…"
            room -= len(shown)
            out.append(f'<tspan fill="{colour}">{marked(shown)}</tspan>')
    return "".join(out)


def marked(words):
    """The state that matters, in the colour that the demo itself gives it."""
    return escape(words).replace("   Connected ", f'   <tspan fill="{COLOURS["32"]}">Connected</tspan> ')


def scene(index, title, lines, width):
    out = [f'<g class="scene s{index}">']
    out.append(
        f'<text x="{width / 2:.0f}" y="22" text-anchor="middle" fill="{FAINT}" font-size="12">{escape(title)}</text>'
    )
    for number, line in enumerate(lines):
        if line:
            out.append(
                f'<text x="{PAD}" y="{BAR + PAD + number * LINE + 6:.1f}" xml:space="preserve">{spans(line)}</text>'
            )
    out.append("</g>")
    return out


def style():
    whole, share = SECONDS * len(SCENES), 100 / len(SCENES)
    rules = [f".scene{{opacity:0;animation:turn {whole}s infinite}}", f".s{STILL}{{opacity:1}}"]
    rules.append(f"@keyframes turn{{0%,{share - 2:.1f}%{{opacity:1}}{share:.1f}%,98%{{opacity:0}}100%{{opacity:1}}}}")
    rules += [
        f".s{index}{{animation-delay:{index * SECONDS - (whole if index else 0)}s}}" for index in range(len(SCENES))
    ]
    rules.append("@media (prefers-reduced-motion:reduce){.scene{animation:none}}")
    return "<style>" + "".join(rules) + "</style>"


def main():
    transcript = pathlib.Path(sys.argv[1]).read_text() if len(sys.argv) > 1 else run_demo()
    found = blocks(transcript)
    scenes = [(title, scene_lines(parts, found)) for title, parts in SCENES]
    width = round(COLUMNS * CHARACTER + 2 * PAD)
    height = round(BAR + 2 * PAD + max(len(lines) for _, lines in scenes) * LINE)
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img" '
        f'aria-label="The demo in a terminal" font-family="ui-monospace, SFMono-Regular, Menlo, Consolas, \'DejaVu Sans Mono\', monospace" font-size="{SIZE}">',
        style(),
        f'<rect x="0.5" y="0.5" width="{width - 1}" height="{height - 1}" rx="9" fill="{BACK}" stroke="{FRAME}"/>',
        f'<path d="M0.5 {BAR}h{width - 1}" stroke="{FRAME}"/>',
    ]
    for index, colour in enumerate(("#ff5f57", "#febc2e", "#28c840")):
        out.append(f'<circle cx="{20 + index * 18}" cy="17" r="5.5" fill="{colour}"/>')
    for index, (title, lines) in enumerate(scenes):
        out += scene(index, title, lines, width)
    out.append("</svg>\n")
    HERE.with_suffix(".svg").write_text("\n".join(out))


main()
