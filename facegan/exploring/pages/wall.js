// The wall: numbered faces without end, or the faces that the page was made for.
"use strict";

const PORTION = 60; // tiles that are added at a time
const wall = byId("wall");
const tiles = byId("tiles");
const COLOURS = ["#c0392b", "#1f6fb2", "#2e8b57", "#8e44ad", "#b9770e", "#117a8b"];
const colourOf = (k) => COLOURS[k % COLOURS.length];
const signOf = (group) => (group.sign > 0 ? "+" : "−");

let begun = {}; // what the tiles that are there begin with

// Small pictures of the faces on the map, to show until the face itself is drawn.
const thumbnails = { picture: new Image(), place: new Map() };
if (page.map) {
  page.map.faces.forEach((face, k) => face && thumbnails.place.set(face, k));
  thumbnails.picture.src = page.map.picture;
}

function cornerOf(place) {
  return [(place % page.map.columns) * page.map.width, Math.floor(place / page.map.columns) * page.map.height];
}

function faceCanvas(face) {
  const canvas = element("canvas", { width: WIDTH, height: HEIGHT });
  drawThumbnail(canvas, face);
  return canvas;
}

function drawThumbnail(canvas, face) {
  const place = thumbnails.place.get(face);
  if (place === undefined || state.truncation !== page.truncation || !thumbnails.picture.complete) return;
  const { width, height } = page.map;
  canvas.getContext("2d").drawImage(thumbnails.picture, ...cornerOf(place), width, height, 0, 0, WIDTH, HEIGHT);
}

thumbnails.picture.addEventListener("load", () => {
  for (const canvas of document.querySelectorAll(".tile canvas:not([data-shown])")) {
    drawThumbnail(canvas, canvas.parentElement.dataset.face);
  }
});

function paint(canvas, face, isWanted) {
  const truncation = state.truncation;
  const key = `${face} ${truncation}`;
  if (canvas.dataset.shown === key || canvas.dataset.wanted === key) return;
  canvas.dataset.wanted = key;
  const stillWanted = () => canvas.dataset.wanted === key && isWanted();
  drawFace(
    face,
    truncation,
    (image) => {
      canvas.dataset.shown = key;
      canvas.getContext("2d").putImageData(image, 0, 0);
    },
    stillWanted,
  );
}

const seenTiles = new IntersectionObserver(
  (entries) => {
    for (const { target, isIntersecting } of entries) {
      target.isSeen = isIntersecting;
      if (isIntersecting) showTile(target);
      else forgetTile(target);
    }
  },
  { root: wall, rootMargin: "200px" },
);

// Tiles out of sight hold no picture, so that a long wall does not fill the memory.
function forgetTile(tile) {
  tile.querySelector("canvas")?.remove();
}

function showTile(tile) {
  const face = tile.dataset.face;
  let canvas = tile.querySelector("canvas");
  if (!canvas) tile.prepend((canvas = faceCanvas(face)));
  paint(canvas, face, () => tile.isSeen && canvas.isConnected && !wall.hidden);
}

function tileOf(face) {
  const tile = element("button", { className: "tile", draggable: true }, face, element("span", { className: "marks" }));
  tile.dataset.face = face;
  tile.onclick = () => pick(face);
  tile.ondragstart = (event) => event.dataTransfer.setData("text/plain", face);
  tile.setAttribute("aria-label", `face ${face}`);
  seenTiles.observe(tile);
  return tile;
}

function addTiles() {
  const count = tiles.childElementCount;
  const most = page.faces ? page.faces.length - count : LARGEST_FACE + 1 - state.first - count;
  const made = Array.from({ length: Math.min(PORTION, most) }, (_, k) =>
    tileOf(page.faces ? page.faces[count + k] : String(state.first + count + k)),
  );
  tiles.append(...made);
  made.forEach(markTile);
}

new IntersectionObserver(
  (entries) => {
    if (entries.some((entry) => entry.isIntersecting)) addTiles();
  },
  { root: wall, rootMargin: "600px" },
).observe(byId("more"));

function showWall() {
  wall.hidden = state.view !== "wall";
  if (begun.first !== state.first) {
    begun = { first: state.first };
    for (const tile of tiles.children) seenTiles.unobserve(tile);
    tiles.replaceChildren();
    addTiles();
    wall.scrollTop = 0;
  }
  for (const tile of tiles.children) {
    if (tile.isSeen && !wall.hidden) showTile(tile);
    markTile(tile);
  }
}

// How the open tab marks a face: [sign, colour] for each place that it is in.
function marksOf(face) {
  if (state.tab === "sum") {
    return state.groups.flatMap((group, k) => (group.faces.includes(face) ? [[signOf(group), colourOf(k)]] : []));
  }
  if (state.tab === "walk") {
    return state.stops.flatMap((stop, k) => (stop === face ? [[String(k + 1), colourOf(1)]] : []));
  }
  return state.tab === "list" && state.list.includes(face) ? [["✓", colourOf(2)]] : [];
}

function markTile(tile) {
  const face = tile.dataset.face;
  const marks = marksOf(face);
  tile.classList.toggle("current", state.tab === "face" && face === state.face);
  tile.classList.toggle("chosen", marks.length > 0);
  tile.style.setProperty("--mark", marks.length ? marks[0][1] : "");
  if (!marks.length) tile.style.removeProperty("--mark");
  tile.querySelector(".marks").replaceChildren(
    ...marks.map(([text, colour]) => {
      const made = element("i", { textContent: text });
      made.style.setProperty("--mark", colour);
      return made;
    }),
  );
}

// What a click on a face does depends on the open tab.
function pick(face) {
  edit(null, (chosen) => {
    if (chosen.tab === "face") chosen.face = face;
    else if (chosen.tab === "walk") toggleIn(chosen.stops, face);
    else if (chosen.tab === "sum") toggleIn(chosen.groups[chosen.active].faces, face);
    else toggleIn(chosen.list, face);
    chosen.position = clamp(chosen.position, 0, Math.max(chosen.stops.length - 1, 0));
  });
}

// Adds the faces that come next to a group with this sign, and opens the sum.
function addTo(sign, face) {
  edit(null, (chosen) => {
    let place = chosen.groups.findIndex((group) => group.sign === sign);
    if (chosen.groups[chosen.active]?.sign === sign) place = chosen.active;
    if (place < 0) place = chosen.groups.push({ sign, name: "", faces: [] }) - 1;
    chosen.tab = "sum";
    chosen.active = place;
    toggleIn(chosen.groups[place].faces, face);
  });
}

function moveOnWall(key) {
  const focused = tiles.contains(document.activeElement) ? document.activeElement : null;
  const columns = getComputedStyle(tiles).gridTemplateColumns.split(" ").length;
  const by = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns }[key];
  const next = focused ? tiles.children[[...tiles.children].indexOf(focused) + by] : tiles.firstElementChild;
  next?.focus();
}
