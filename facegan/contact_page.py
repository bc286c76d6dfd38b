"""The contact sheet as a web page: faces to click into named groups, and the finished commands to copy.

One file without a server or a network: the images and the program are inside it.
"""

import html
import json
import string

from facegan import page_parts

TEMPLATE = string.Template("""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="generator" content="$made_by">
<title>Faces of $model</title>
<style>
body { margin: 0; padding: .5rem .5rem 22rem; font: 16px/1.4 system-ui, sans-serif; color: #202020; background: #fff }
h1 { font-size: 1.1rem; margin: .2rem 0 }
#faces { display: grid; grid-template-columns: repeat(auto-fill, minmax(84px, 1fr)); gap: 6px }
#faces button { border: 0; padding: 0; background: none; font: inherit; cursor: pointer; position: relative }
#faces img { width: 100%; display: block; border-radius: 4px; image-rendering: auto }
#faces button.chosen img { outline: 4px solid var(--colour) }
#faces .marks { position: absolute; top: 2px; left: 2px; display: flex; gap: 2px }
#faces .marks i { font-style: normal; font-size: .75rem; padding: 0 .3rem; border-radius: 4px; color: #fff }
#panel { position: fixed; left: 0; right: 0; bottom: 0; max-height: 55vh; overflow: auto; padding: .5rem;
  background: #f4f4f4; border-top: 2px solid #888 }
#groups { display: flex; flex-wrap: wrap; gap: 6px }
.group { display: flex; gap: 4px; padding: 4px; border-radius: 6px; border: 3px solid transparent; background: #fff }
.group.active { border-color: var(--colour) }
.group input { width: 9.5em; font: inherit; border: 0; border-bottom: 2px solid var(--colour); background: none }
.group button, #more, .copy { font: inherit; min-width: 2.4em; min-height: 2.2em }
.command { display: flex; gap: 6px; margin-top: 6px }
.command code { flex: 1; overflow-x: auto; white-space: pre; padding: .4rem; background: #fff; border: 1px solid #bbb }
</style>
</head>
<body>
<h1>Faces of $model</h1>
<p>Choose a group below, then click the faces that belong to it.</p>
<div id="faces"></div>
<div id="panel">
<div id="groups"></div>
<div class="command"><code id="arithmetic"></code><button class="copy" data-of="arithmetic">Copy</button></div>
<div class="command"><code id="interpolation"></code><button class="copy" data-of="interpolation">Copy</button></div>
</div>
<script>
"use strict";
const page = $data;
const colours = ["#c0392b", "#1f6fb2", "#2e8b57", "#8e44ad", "#b9770e", "#117a8b"];
const groups = page.groups.map(([sign, name]) => ({ sign, name, faces: [] }));
let active = 0;

function element(kind, properties, ...children) {
  const made = Object.assign(document.createElement(kind), properties);
  made.append(...children);
  return made;
}

const buttons = page.faces.map(([label, source], k) => {
  const button = element("button", { onclick: () => toggle(label) },
    element("img", { src: source, alt: "face " + label }), String(label), element("span", { className: "marks" }));
  button.dataset.face = label;
  return button;
});
document.getElementById("faces").append(...buttons);

function toggle(label) {
  const faces = groups[active].faces;
  const place = faces.indexOf(label);
  if (place < 0) faces.push(label); else faces.splice(place, 1);
  show();
}

function groupBox(group, k) {
  const name = element("input", { value: group.name, ariaLabel: "name of the group", onfocus: () => choose(k),
    oninput: (event) => { group.name = event.target.value; showCommands(); } });
  const sign = element("button", { textContent: group.sign > 0 ? "+" : "\\u2212", title: "add or subtract",
    onclick: () => { group.sign = -group.sign; show(); } });
  const count = element("button", { textContent: group.faces.length, title: "choose this group",
    onclick: () => choose(k) });
  const box = element("div", { className: k === active ? "group active" : "group" }, sign, name, count);
  box.style.setProperty("--colour", colours[k % colours.length]);
  return box;
}

function choose(k) {
  active = k;
  document.querySelectorAll(".group").forEach((box, j) => box.classList.toggle("active", j === k));
  showFaces();
}

function showFaces() {
  buttons.forEach((button, j) => {
    const label = page.faces[j][0];
    const marks = groups.flatMap((group, k) => group.faces.includes(label) ? [k] : []);
    button.classList.toggle("chosen", groups[active].faces.includes(label));
    button.style.setProperty("--colour", colours[active % colours.length]);
    button.querySelector(".marks").replaceChildren(...marks.map((k) => {
      const mark = element("i", { textContent: groups[k].sign > 0 ? "+" : "\\u2212" });
      mark.style.background = colours[k % colours.length];
      return mark;
    }));
  });
}

function quoted(text) {
  return /^[\\w.,=:/+-]+$$/.test(text) ? text : "'" + text.replace(/'/g, "'\\\\''") + "'";
}

function showCommands() {
  const used = groups.filter((group) => group.faces.length);
  const terms = used.map((group) => {
    const name = group.name.replace(/=/g, "").trim();
    return (group.sign > 0 ? "--plus " : "--minus ") + quoted((name ? name + "=" : "") + group.faces.join(","));
  });
  const adds = used.some((group) => group.sign > 0);
  document.getElementById("arithmetic").textContent = adds
    ? ["python vector_arithmetic.py", page.model, ...terms, "--out result.png", page.options].filter(Boolean).join(" ")
    : "# click faces into a + group: the command appears here";
  const stops = groups[active].faces.length > 1 ? groups[active].faces : used.flatMap((group) => group.faces);
  document.getElementById("interpolation").textContent = stops.length > 1
    ? ["python interpolate.py", page.model, "--faces", quoted(stops.join(",")),
       "--steps 10 --method both --out path.png", page.options].filter(Boolean).join(" ")
    : "# two faces or more: the walk between them appears here";
}

function show() {
  const more = element("button", { id: "more", textContent: "+ group",
    onclick: () => { groups.push({ sign: 1, name: "", faces: [] }); active = groups.length - 1; show(); } });
  document.getElementById("groups").replaceChildren(...groups.map(groupBox), more);
  showFaces();
  showCommands();
}

document.querySelectorAll(".copy").forEach((button) => button.addEventListener("click", () => {
  // The clipboard's newer interface is closed to pages opened from a disk; a selection is not.
  const range = document.createRange();
  range.selectNodeContents(document.getElementById(button.dataset.of));
  getSelection().removeAllRanges();
  getSelection().addRange(range);
  button.textContent = document.execCommand("copy") ? "Copied" : "Press Ctrl+C";
  setTimeout(() => { button.textContent = "Copy"; }, 1500);
}));
show();
</script>
</body>
</html>
""")

GROUPS = [(1, "smiling_woman"), (-1, "neutral_woman"), (1, "neutral_man")]


def contact_page(pixels, labels, model, options, made_by):
    """Build the page.

    Args:
        pixels: (n, height, width, channels) uint8. labels: what stands for each face on the command line.
        model: MODEL as the commands should name it, quoted for a shell where it needs to be; "" where it was left out.
        options: what every command must repeat to mean the same faces, such as "--latents points.npz"; may be "".
        made_by: a `provenance.record`.

    Returns:
        The text of an HTML file.
    """
    faces = [[label, page_parts.data_uri(image)] for label, image in zip(labels, pixels, strict=True)]
    data = {"faces": faces, "groups": GROUPS, "model": model, "options": options}
    return TEMPLATE.substitute(
        made_by=html.escape(json.dumps(made_by)),
        model=html.escape(model or "the shipped generator"),
        data=page_parts.as_script(data),
    )
