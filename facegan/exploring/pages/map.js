const canvas = document.getElementById("map");
const near = document.getElementById("near");
const picture = new Image();
const pointers = new Map(); // where each pressed finger or mouse is, by its id
const chosen = []; // places, counted from 0 at the top left, row by row
let scale = 1, left = 0, top_ = 0; // of the picture on the canvas, in device pixels; `top` is taken by the browser
let moved = 0; // how far a pointer has moved since it was pressed; a click moves little
const onCanvas = (event) => [event.clientX * devicePixelRatio, event.clientY * devicePixelRatio];
const corner = (place) => [(place % page.columns) * page.width, Math.floor(place / page.columns) * page.height];

function fit() {
  canvas.width = innerWidth * devicePixelRatio;
  canvas.height = innerHeight * devicePixelRatio;
  scale = Math.min(canvas.width / picture.width, canvas.height / picture.height);
  left = (canvas.width - picture.width * scale) / 2;
  top_ = (canvas.height - picture.height * scale) / 2;
  draw();
}

function draw() {
  const context = canvas.getContext("2d");
  context.fillStyle = "#fff";
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.drawImage(picture, left, top_, picture.width * scale, picture.height * scale);
  context.lineWidth = 3;
  context.strokeStyle = "#c0392b";
  for (const [x, y] of chosen.map(corner)) {
    context.strokeRect(left + x * scale, top_ + y * scale, page.width * scale, page.height * scale);
  }
}

// The place of the face at a point on the canvas, or -1.
function placeAt([x, y]) {
  const column = Math.floor((x - left) / scale / page.width);
  const row = Math.floor((y - top_) / scale / page.height);
  const place = row * page.columns + column;
  return column >= 0 && row >= 0 && column < page.columns && page.labels[place] ? place : -1;
}

function preview(place) {
  if (place < 0) return;
  const size = [page.width, page.height];
  document.getElementById("seen").hidden = false;
  near.getContext("2d").drawImage(picture, ...corner(place), ...size, 0, 0, ...size);
  document.getElementById("number").textContent = page.labels[place];
}

function clickFace(place) {
  if (place < 0) return;
  toggleIn(chosen, place);
  const faces = quoted(chosen.map((k) => page.labels[k]).join(","));
  document.getElementById("chosen").textContent = command("generate.py", "--faces", faces, "--out chosen.png");
  draw();
}

function zoom([x, y], factor) {
  left = x - (x - left) * factor;
  top_ = y - (y - top_) * factor;
  scale *= factor;
  draw();
}

function drag(event) {
  const here = onCanvas(event);
  preview(placeAt(here));
  const before = pointers.get(event.pointerId);
  if (!before) return;
  const distance = ([x1, y1], [x2, y2]) => Math.hypot(x1 - x2, y1 - y2);
  const other = [...pointers.keys()].find((id) => id !== event.pointerId);
  if (other === undefined) {
    left += here[0] - before[0];
    top_ += here[1] - before[1];
    moved += distance(here, before);
    draw();
  } else {
    const still = pointers.get(other);
    zoom(still, distance(here, still) / Math.max(distance(before, still), 1));
  }
  pointers.set(event.pointerId, here);
}

canvas.addEventListener("pointermove", drag);
canvas.addEventListener("pointerdown", (event) => {
  pointers.set(event.pointerId, onCanvas(event));
  moved = pointers.size > 1 ? Infinity : 0;
  canvas.setPointerCapture(event.pointerId);
});
canvas.addEventListener("pointerup", (event) => {
  if (moved < 8) clickFace(placeAt(onCanvas(event)));
  pointers.delete(event.pointerId);
});
canvas.addEventListener("pointercancel", (event) => pointers.delete(event.pointerId));
canvas.addEventListener("wheel", (event) => {
  event.preventDefault();
  zoom(onCanvas(event), Math.exp(-event.deltaY / 400));
}, { passive: false });
addEventListener("resize", fit);
near.width = page.width;
near.height = page.height;
picture.onload = fit;
picture.src = page.picture;
