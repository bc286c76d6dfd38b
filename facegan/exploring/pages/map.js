// The map: similar faces side by side, to move and zoom. Close up, the faces are drawn at their full size.
"use strict";

const MOST_SHARP = 200; // faces in view that are drawn at full size
const mapCanvas = byId("map").querySelector("canvas");
const pointers = new Map(); // where each pressed finger or mouse is, by its id
const sharp = new Map(); // canvases by face and truncation
const mapPlace = { scale: 0, left: 0, top: 0 }; // of the picture on the canvas, in device pixels
let cursor = -1; // the place, counted row by row, that the keys or the mouse are on
let moved = 0; // how far a pointer has moved since it was pressed; a click moves little
let mapIsDue = false;

const onCanvas = (event) => {
  const box = mapCanvas.getBoundingClientRect();
  return [(event.clientX - box.left) * devicePixelRatio, (event.clientY - box.top) * devicePixelRatio];
};

function showMap() {
  byId("map").hidden = state.view !== "map";
  if (state.view !== "map") return;
  if (!mapPlace.scale) fitMap();
  drawMapSoon();
}

function fitMap() {
  const { picture } = thumbnails;
  mapCanvas.width = mapCanvas.clientWidth * devicePixelRatio;
  mapCanvas.height = mapCanvas.clientHeight * devicePixelRatio;
  if (!mapCanvas.width || !picture.width) return;
  mapPlace.scale = Math.min(mapCanvas.width / picture.width, mapCanvas.height / picture.height);
  mapPlace.left = (mapCanvas.width - picture.width * mapPlace.scale) / 2;
  mapPlace.top = (mapCanvas.height - picture.height * mapPlace.scale) / 2;
  drawMapSoon();
}

function drawMapSoon() {
  if (mapIsDue || state.view !== "map") return;
  mapIsDue = true;
  requestAnimationFrame(() => {
    mapIsDue = false;
    drawMap();
  });
}

function drawMap() {
  const context = mapCanvas.getContext("2d");
  const { scale, left, top } = mapPlace;
  const { picture } = thumbnails;
  context.clearRect(0, 0, mapCanvas.width, mapCanvas.height);
  context.drawImage(picture, left, top, picture.width * scale, picture.height * scale);
  const places = placesInView();
  if (scale > 1.2 && places.length <= MOST_SHARP) places.forEach((place) => drawSharp(context, place));
  context.lineWidth = 3 * devicePixelRatio;
  for (const place of places) {
    const marks = marksOf(page.map.faces[place]);
    if (state.tab === "face" && page.map.faces[place] === state.face) marks.push(["", "#2f7bf0"]);
    if (marks.length) outline(context, place, marks[0][1]);
  }
  if (cursor >= 0) outline(context, cursor, getComputedStyle(mapCanvas).color);
}

// Where a place is on the canvas: [left, top, width, height].
function boxOf(place) {
  const [x, y] = cornerOf(place);
  const { scale, left, top } = mapPlace;
  return [left + x * scale, top + y * scale, page.map.width * scale, page.map.height * scale];
}

function outline(context, place, colour) {
  context.strokeStyle = colour;
  context.strokeRect(...boxOf(place));
}

function placesInView() {
  return page.map.faces
    .map((_, place) => place)
    .filter((place) => {
      const [left, top, width, height] = boxOf(place);
      return (
        page.map.faces[place] &&
        left < mapCanvas.width &&
        top < mapCanvas.height &&
        left + width > 0 &&
        top + height > 0
      );
    });
}

function drawSharp(context, place) {
  const face = page.map.faces[place];
  const key = `${face} ${state.truncation}`;
  const known = sharp.get(key);
  if (known) {
    if (known.isDrawn) context.drawImage(known.canvas, ...boxOf(place));
    return;
  }
  if (sharp.size > KEPT) sharp.clear();
  const made = { canvas: element("canvas", { width: WIDTH, height: HEIGHT }), isDrawn: false };
  sharp.set(key, made);
  const isWanted = () => {
    const wanted = state.view === "map" && placesInView().includes(place);
    if (!wanted) sharp.delete(key);
    return wanted;
  };
  drawFace(
    face,
    state.truncation,
    (image) => {
      made.canvas.getContext("2d").putImageData(image, 0, 0);
      made.isDrawn = true;
      drawMapSoon();
    },
    isWanted,
  );
}

// The place of the face at a point on the canvas, or -1.
function placeAt([x, y]) {
  const column = Math.floor((x - mapPlace.left) / mapPlace.scale / page.map.width);
  const row = Math.floor((y - mapPlace.top) / mapPlace.scale / page.map.height);
  const place = row * page.map.columns + column;
  return column >= 0 && row >= 0 && column < page.map.columns && page.map.faces[place] ? place : -1;
}

function pointAt(place) {
  if (place === cursor) return;
  cursor = place;
  byId("map").querySelector("output").textContent = place < 0 ? "" : `face ${page.map.faces[place]}`;
  drawMapSoon();
}

function zoomMap([x, y], factor) {
  mapPlace.left = x - (x - mapPlace.left) * factor;
  mapPlace.top = y - (y - mapPlace.top) * factor;
  mapPlace.scale *= factor;
  drawMapSoon();
}

function dragMap(event) {
  const here = onCanvas(event);
  pointAt(placeAt(here));
  const before = pointers.get(event.pointerId);
  if (!before) return;
  const distance = ([x1, y1], [x2, y2]) => Math.hypot(x1 - x2, y1 - y2);
  const other = [...pointers.keys()].find((id) => id !== event.pointerId);
  if (other === undefined) {
    mapPlace.left += here[0] - before[0];
    mapPlace.top += here[1] - before[1];
    moved += distance(here, before);
    drawMapSoon();
  } else {
    const still = pointers.get(other);
    zoomMap(still, distance(here, still) / Math.max(distance(before, still), 1));
  }
  pointers.set(event.pointerId, here);
}

function moveOnMap(key) {
  const { columns, faces } = page.map;
  const by = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns }[key];
  if (by) {
    const next = cursor < 0 ? 0 : cursor + by;
    if (faces[next]) pointAt(next);
  } else if (key === "Enter" && cursor >= 0) {
    pick(faces[cursor]);
  } else if (key === "+" || key === "-" || key === "0") {
    zoomMiddle({ "+": 1.5, "-": 0.67, 0: 0 }[key]);
  } else {
    return false;
  }
  return true;
}

// Zooms around the middle; 0 shows the whole map.
function zoomMiddle(factor) {
  if (factor) zoomMap([mapCanvas.width / 2, mapCanvas.height / 2], factor);
  else fitMap();
}

if (page.map) {
  mapCanvas.addEventListener("pointermove", dragMap);
  mapCanvas.addEventListener("pointerdown", (event) => {
    pointers.set(event.pointerId, onCanvas(event));
    moved = pointers.size > 1 ? Infinity : 0;
    mapCanvas.setPointerCapture(event.pointerId);
  });
  mapCanvas.addEventListener("pointerup", (event) => {
    const place = placeAt(onCanvas(event));
    if (moved < 8 && place >= 0) pick(page.map.faces[place]);
    pointers.delete(event.pointerId);
  });
  mapCanvas.addEventListener("pointercancel", (event) => pointers.delete(event.pointerId));
  mapCanvas.addEventListener(
    "wheel",
    (event) => {
      event.preventDefault();
      zoomMap(onCanvas(event), Math.exp(-event.deltaY / 400));
    },
    { passive: false },
  );
  for (const button of document.querySelectorAll("[data-zoom]")) {
    button.onclick = () => zoomMiddle(Number(button.dataset.zoom));
  }
  new ResizeObserver(fitMap).observe(byId("map"));
  thumbnails.picture.addEventListener("load", showMap);
}
