// The stage: what is chosen, large, with what can be changed about it.
"use strict";

const seenCanvas = byId("seen");
const STRONGEST = 3;
let turn = 0; // of the last image asked for
let shownTurn = 0;
let walking = 0; // the time of the last frame while the walk plays, else 0
let forward = 1;

seenCanvas.width = WIDTH;
seenCanvas.height = HEIGHT;

function showStage() {
  const seen = whatIsSeen();
  byId("caption").textContent = seen ? seen.caption : "";
  byId("commands").textContent = seen ? seen.commands(seen.file).join("\n") : "";
  for (const name of ["copy", "save-png", "save-latents"]) byId(name).disabled = !seen;
  if (!seen) return;
  const wanted = ++turn;
  artist.draw(
    null,
    () => seen.seen,
    URGENCY.stage,
    (image) => {
      if (wanted < shownTurn) return;
      shownTurn = wanted;
      seenCanvas.getContext("2d").putImageData(image, 0, 0);
      seenCanvas.dataset.shown = JSON.stringify(state);
    },
    () => wanted === turn,
  );
}

// A row of buttons of which one is pressed.
function choice(container, labels, chosen, choose) {
  const buttons = Object.entries(labels).map(([name, label]) =>
    element("button", { textContent: label, onclick: () => choose(name), ariaPressed: String(name === chosen) }),
  );
  buttons.forEach((button, k) => (button.dataset.name = Object.keys(labels)[k]));
  container.replaceChildren(...buttons);
}

function showTabs() {
  choice(byId("tabs"), TABS, state.tab, (name) => edit(null, (chosen) => (chosen.tab = name)));
  const views = { wall: "Wall", map: "Map" };
  choice(byId("views"), views, state.view, (name) => edit(null, (chosen) => (chosen.view = name)));
  byId("views").hidden = !page.map;
  byId("undo").disabled = !done.length;
  byId("redo").disabled = !undone.length;
}

const PANELS = { face: () => [], walk: walkPanel, sum: sumPanel, list: listPanel };

// The panel is made anew only if what it holds has changed: a text or a slider must not vanish under a hand.
let panelMade = "";
function showPanel() {
  const { tab, stops, method, groups, list, truncation } = state;
  const held = JSON.stringify([tab, stops, method, list, truncation, groups.map(({ sign, faces }) => [sign, faces])]);
  if (held !== panelMade) {
    panelMade = held;
    byId("panel").replaceChildren(...PANELS[tab]().filter(Boolean));
  }
  const slider = byId("position");
  if (slider) slider.value = state.position;
  document.querySelectorAll("[data-group]").forEach((box, k) => {
    const name = box.querySelector("input");
    if (name.value !== state.groups[k].name) name.value = state.groups[k].name;
    box.classList.toggle("active", k === state.active);
  });
}

const hint = (text) => element("p", { className: "hint", textContent: text });

function walkPanel() {
  const slot = slotOf(state.stops, (chosen) => chosen.stops);
  const legs = state.stops.length - 1;
  if (legs < 1) return [slot, hint("Click two faces or more, or drag them here: the stops of a walk.")];
  const slider = element("input", {
    type: "range",
    id: "position",
    min: 0,
    max: legs,
    step: "any",
    ariaLabel: "position",
  });
  slider.oninput = () => edit("position", (chosen) => (chosen.position = Number(slider.value)));
  slider.onchange = endKind;
  const play = element("button", {
    id: "play",
    textContent: "▶",
    title: "play (space)",
    ariaLabel: "play",
    onclick: togglePlay,
  });
  const method = element(
    "select",
    { ariaLabel: "path", title: "great circle or straight line" },
    ...Object.keys(METHODS).map((name) =>
      element("option", { value: name, textContent: name, selected: name === state.method }),
    ),
  );
  method.onchange = () => edit(null, (chosen) => (chosen.method = method.value));
  return [slot, element("div", { className: "row" }, slider, play, method)];
}

function sumPanel() {
  const boxes = state.groups.map(groupBox);
  const more = element("button", { id: "add-group", textContent: "+ group" });
  more.onclick = () =>
    edit(null, (chosen) => (chosen.active = chosen.groups.push({ sign: 1, name: "", faces: [] }) - 1));
  return [
    ...boxes,
    more,
    hint("Click faces into the outlined group, or drag them into any. Each group counts as its average face."),
  ];
}

function groupBox(group, k) {
  const box = slotOf(group.faces, (chosen) => chosen.groups[k].faces);
  const sign = element("button", { textContent: signOf(group), title: "add or subtract", className: "sign" });
  sign.onclick = () => edit(null, (chosen) => (chosen.groups[k].sign *= -1));
  const name = element("input", { value: group.name, placeholder: "name", ariaLabel: "group name" });
  name.oninput = () => edit(`name ${k}`, (chosen) => (chosen.groups[k].name = name.value));
  name.onchange = endKind;
  const away = element("button", { textContent: "×", title: "remove the group", ariaLabel: "remove the group" });
  away.onclick = () =>
    edit(null, (chosen) => {
      chosen.groups.splice(k, 1);
      if (!chosen.groups.length) chosen.groups.push({ sign: 1, name: "", faces: [] });
      chosen.active = clamp(chosen.active, 0, chosen.groups.length - 1);
    });
  box.prepend(sign, name, away);
  box.style.setProperty("--mark", colourOf(k));
  box.dataset.group = k;
  const activate = () => edit("active", (chosen) => (chosen.active = k));
  box.onclick = (event) => event.target.closest("button") || activate();
  name.onfocus = activate;
  return box;
}

function listPanel() {
  return [
    slotOf(state.list, (chosen) => chosen.list),
    state.list.length ? null : hint("Click faces to collect them, or drag them here."),
  ];
}

// A box of faces, each a button that takes it out; `listIn` gives the list in a state. Faces can be dropped into it.
function slotOf(faces, listIn) {
  const chips = faces.map((face, k) => {
    const canvas = faceCanvas(face);
    paint(canvas, face, () => canvas.isConnected);
    const chip = element("button", { className: "chip", title: `take out face ${face}` }, canvas, face);
    chip.onclick = () =>
      edit(null, (chosen) => {
        listIn(chosen).splice(k, 1);
        chosen.position = clamp(chosen.position, 0, Math.max(chosen.stops.length - 1, 0));
      });
    return chip;
  });
  const slot = element("div", { className: "slot" }, element("div", { className: "chips" }, ...chips));
  acceptFaces(slot, (face) =>
    edit(null, (chosen) => {
      if (!listIn(chosen).includes(face)) listIn(chosen).push(face);
    }),
  );
  return slot;
}

function acceptFaces(target, take) {
  target.ondragover = (event) => {
    event.preventDefault();
    target.classList.add("over");
  };
  target.ondragleave = () => target.classList.remove("over");
  target.ondrop = (event) => {
    event.preventDefault();
    target.classList.remove("over");
    const face = event.dataTransfer.getData("text/plain");
    if (exists(face)) take(face);
  };
}

// The sliders are made once.
const sliders = [];
function makeSliders() {
  const truncation = sliderOf(
    "truncation",
    { min: 0.05, max: 1.5, step: 0.05, standard: page.truncation },
    (chosen) => chosen.truncation,
    (chosen, value) => (chosen.truncation = value),
  );
  const byKind = (kind) =>
    page.directions
      .filter((direction) => direction.kind === kind)
      .map(({ name }) =>
        sliderOf(
          name,
          { min: -STRONGEST, max: STRONGEST, step: 0.1, standard: 0, isDirection: true },
          (chosen) => chosen.strengths[name] ?? 0,
          (chosen, value) => (chosen.strengths[name] = value),
        ),
      );
  const unsupervised = byKind("unsupervised");
  const folded = element(
    "details",
    { open: !byKind("named").length },
    element("summary", { textContent: "Unsupervised directions" }),
    ...unsupervised,
  );
  byId("sliders").append(...byKind("named"), ...(unsupervised.length ? [folded] : []), truncation);
}

function sliderOf(name, { min, max, step, standard, isDirection = false }, read, write) {
  const input = element("input", { type: "range", min, max, step, ariaLabel: name });
  const value = element("button", { title: `set ${name} back to ${short(standard)}` });
  const row = element(
    "div",
    { className: "slider" },
    element("span", { textContent: name, title: name }),
    input,
    value,
  );
  row.dataset.slider = name;
  input.oninput = () => edit(name, (chosen) => write(chosen, Number(input.value)));
  input.onchange = endKind;
  value.onclick = () => edit(null, (chosen) => write(chosen, standard));
  sliders.push(() => {
    row.hidden = isDirection && state.tab !== "face" && state.tab !== "sum";
    input.value = read(state);
    value.textContent = isDirection && read(state) > 0 ? "+" + short(read(state)) : short(read(state));
  });
  return row;
}

function showSliders() {
  for (const update of sliders) update();
  const folded = byId("sliders").querySelector("details");
  if (folded) folded.hidden = state.tab !== "face" && state.tab !== "sum";
}

function togglePlay() {
  walking = walking ? 0 : performance.now();
  byId("play").textContent = walking ? "⏸" : "▶";
  if (walking) requestAnimationFrame(playOn);
}

// Walks there and back, two seconds a leg, until it is stopped or the tab is left.
function playOn(now) {
  const legs = state.stops.length - 1;
  if (!walking || state.tab !== "walk" || legs < 1) {
    walking = 0;
    return;
  }
  edit("position", (chosen) => {
    const next = chosen.position + (forward * (now - walking)) / 2000;
    if (next >= legs) forward = -1;
    if (next <= 0) forward = 1;
    chosen.position = clamp(next, 0, legs);
  });
  walking = now;
  requestAnimationFrame(playOn);
}
