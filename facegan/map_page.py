"""The map of the latent space as a web page: one large picture to move and zoom, each face with its number.

One file without a server or a network: the picture and the program are inside it.
"""

import html
import json
import math
import string

import numpy

from facegan import page_parts

LARGEST_SIDE = 16_000  # pixels; phones and some browsers show no larger image

TEMPLATE = string.Template("""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="generator" content="$made_by">
<title>Map of $model</title>
<style>
html, body { margin: 0; height: 100%; overflow: hidden; font: 16px/1.4 system-ui, sans-serif; background: #fff }
canvas { width: 100%; height: 100%; display: block; touch-action: none; cursor: crosshair }
#seen { position: fixed; top: 8px; left: 8px; padding: 6px; background: #fffd; border: 1px solid #888;
  text-align: center }
#seen canvas { width: 160px; height: auto; cursor: default }
#chosen { position: fixed; left: 8px; right: 8px; bottom: 8px; padding: 6px; background: #fffd; border: 1px solid #888;
  overflow-x: auto; white-space: nowrap; user-select: all }
</style>
</head>
<body>
<canvas id="map"></canvas>
<div id="seen" hidden><canvas id="near"></canvas><br><span id="number">&nbsp;</span></div>
<div id="chosen">Move with a drag, zoom with the wheel or two fingers, click faces to collect them.</div>
<script>
"use strict";
const page = $data;
const canvas = document.getElementById("map"), near = document.getElementById("near");
const picture = new Image();
const pointers = new Map();
const chosen = [];
let scale = 1, left = 0, top_ = 0, moved = 0;
near.width = page.width; near.height = page.height;

function fit() {
  const ratio = devicePixelRatio || 1;
  canvas.width = innerWidth * ratio; canvas.height = innerHeight * ratio;
  scale = Math.min(canvas.width / picture.width, canvas.height / picture.height);
  left = (canvas.width - picture.width * scale) / 2; top_ = (canvas.height - picture.height * scale) / 2;
  draw();
}

function draw() {
  const context = canvas.getContext("2d");
  context.fillStyle = "#fff";
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.drawImage(picture, left, top_, picture.width * scale, picture.height * scale);
  context.lineWidth = 3; context.strokeStyle = "#c0392b";
  for (const place of chosen) {
    const [x, y] = [place % page.columns, Math.floor(place / page.columns)];
    context.strokeRect(left + x * page.width * scale, top_ + y * page.height * scale,
      page.width * scale, page.height * scale);
  }
}

function onCanvas(event) {
  const ratio = devicePixelRatio || 1;
  return [event.clientX * ratio, event.clientY * ratio];
}

function placeAt([x, y]) {
  const column = Math.floor((x - left) / scale / page.width), row = Math.floor((y - top_) / scale / page.height);
  const inside = column >= 0 && row >= 0 && column < page.columns;
  const place = row * page.columns + column;
  return inside && page.labels[place] !== undefined && page.labels[place] !== "" ? place : -1;
}

function look(place) {
  if (place < 0) return;
  document.getElementById("seen").hidden = false;
  near.getContext("2d").drawImage(picture, place % page.columns * page.width,
    Math.floor(place / page.columns) * page.height, page.width, page.height, 0, 0, page.width, page.height);
  document.getElementById("number").textContent = page.labels[place];
}

function zoom([x, y], factor) {
  left = x - (x - left) * factor; top_ = y - (y - top_) * factor; scale *= factor;
  draw();
}

function collect(place) {
  if (place < 0) return;
  const known = chosen.indexOf(place);
  if (known < 0) chosen.push(place); else chosen.splice(known, 1);
  const listed = chosen.map((k) => page.labels[k]).join(",");
  document.getElementById("chosen").textContent =
    ["python generate.py", page.model, "--faces " + listed, "--out chosen.png", page.options].filter(Boolean).join(" ");
  draw();
}

canvas.addEventListener("wheel", (event) => {
  event.preventDefault();
  zoom(onCanvas(event), Math.exp(-event.deltaY / 400));
}, { passive: false });
canvas.addEventListener("pointerdown", (event) => {
  pointers.set(event.pointerId, onCanvas(event));
  moved = pointers.size > 1 ? 100 : 0;
  canvas.setPointerCapture(event.pointerId);
});
canvas.addEventListener("pointermove", (event) => {
  const here = onCanvas(event), before = pointers.get(event.pointerId);
  look(placeAt(here));
  if (!before) return;
  const others = [...pointers].filter(([id]) => id !== event.pointerId).map(([, where]) => where);
  if (others.length) {
    const distance = (where) => Math.hypot(where[0] - others[0][0], where[1] - others[0][1]);
    zoom(others[0], distance(here) / Math.max(distance(before), 1));
  } else {
    moved += Math.hypot(here[0] - before[0], here[1] - before[1]);
    left += here[0] - before[0]; top_ += here[1] - before[1];
    draw();
  }
  pointers.set(event.pointerId, here);
});
canvas.addEventListener("pointerup", (event) => {
  if (moved < 8) collect(placeAt(onCanvas(event)));
  pointers.delete(event.pointerId);
});
canvas.addEventListener("pointercancel", (event) => pointers.delete(event.pointerId));
addEventListener("resize", fit);
picture.onload = fit;
picture.src = page.picture;
</script>
</body>
</html>
""")


def map_page(pixels, labels, order, model, options, made_by):
    """Build the page.

    Args:
        pixels, labels, model, options, made_by: as for `contact_page.contact_page`.
        order: (side · side,) which image stands in each place, row after row, −1 for none: `arrangement.arrange`.

    Returns:
        The text of an HTML file.
    """
    side = math.isqrt(len(order))
    height, width, channels = pixels.shape[1:]
    placed = numpy.concatenate([pixels, numpy.full((1, height, width, channels), 255, numpy.uint8)])[order]
    sheet = placed.reshape(side, side, height, width, channels).transpose(0, 2, 1, 3, 4)
    sheet = sheet.reshape(side * height, side * width, channels)
    data = {
        "picture": page_parts.data_uri(sheet),
        "labels": ["" if k < 0 else labels[k] for k in order],
        "columns": side,
        "width": width,
        "height": height,
        "model": model,
        "options": options,
    }
    return TEMPLATE.substitute(
        made_by=html.escape(json.dumps(made_by)),
        model=html.escape(model or "the shipped generator"),
        data=page_parts.as_script(data),
    )


def check_size(count, height, width):
    """Raise ValueError where the map of `count` images would be larger than browsers show."""
    side = math.ceil(math.sqrt(count))
    if side * max(height, width) > LARGEST_SIDE:
        most = (LARGEST_SIDE // max(height, width)) ** 2
        raise ValueError(f"{count:,} images make a larger picture than browsers show; map at most {most:,}")
