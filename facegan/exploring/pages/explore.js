// Puts the page together: what the buttons and keys do, and the first drawing.
"use strict";

const KEYS = [
  ["← → ↑ ↓", "from face to face"],
  ["Enter", "choose the face"],
  ["+  −", "add the face to a group that is added or subtracted"],
  ["1 2 3 4", "the tabs Face, Walk, Sum and List"],
  ["w  m", "the wall or the map"],
  ["/", "type a face number"],
  ["space", "play the walk"],
  ["c  s  l", "copy the command, save the PNG, save the latents"],
  ["Ctrl+Z", "undo; with Shift, redo"],
  ["d", "dark or light"],
];

let noticeEnds;
function notify(text) {
  byId("notice").textContent = text;
  byId("notice").hidden = false;
  clearTimeout(noticeEnds);
  noticeEnds = setTimeout(() => (byId("notice").hidden = true), 2500);
}

function copyCommand() {
  // A page opened from disk may not use navigator.clipboard, but it can copy what is selected.
  const range = document.createRange();
  range.selectNodeContents(byId("commands"));
  getSelection().removeAllRanges();
  getSelection().addRange(range);
  notify(document.execCommand("copy") ? "Copied" : "Press Ctrl+C to copy");
}

async function savePng() {
  const seen = whatIsSeen();
  const blob = await new Promise((resolve) => seenCanvas.toBlob(resolve, "image/png"));
  const texts = page.record.Software && {
    // none with --no-metadata
    Software: page.record.Software,
    command: seen.commands(seen.file).join("\n"),
    model: page.record.model,
    fingerprint: page.record.fingerprint,
    faces: seen.faces.join(","),
  };
  download(withTexts(new Uint8Array(await blob.arrayBuffer()), texts || {}), `${seen.file}.png`, "image/png");
}

function saveLatents() {
  const seen = whatIsSeen();
  download(npzOf(seen.latents), `${seen.file}.npz`, "application/zip");
}

function goTo(text) {
  const face = text.trim().replace(/^0+(?=.)/, "");
  if (!exists(face)) {
    notify(page.fromFile ? `there is no face ${text}` : `${text}: face numbers are 1 to ${LARGEST_FACE}`);
    return;
  }
  edit(null, (chosen) => {
    chosen.face = face;
    chosen.tab = "face";
    if (!page.faces) {
      chosen.first = Number(face);
      chosen.view = "wall";
    }
  });
}

function setTheme(theme) {
  document.documentElement.dataset.theme = theme;
  drawMapSoon();
}

const swapTheme = () => setTheme(document.documentElement.dataset.theme === "dark" ? "light" : "dark");
const press = (id) => byId(id).click();
const open = (part, name) => edit(null, (chosen) => (chosen[part] = name));

function showKeys() {
  byId("keys").replaceChildren(
    element(
      "dl",
      {},
      ...KEYS.flatMap(([keys, text]) => [element("dt", { textContent: keys }), element("dd", { textContent: text })]),
    ),
  );
  byId("keys").showModal();
}
byId("keys").onclick = () => byId("keys").close();

const ON_KEY = {
  1: () => open("tab", "face"),
  2: () => open("tab", "walk"),
  3: () => open("tab", "sum"),
  4: () => open("tab", "list"),
  w: () => open("view", "wall"),
  m: () => page.map && open("view", "map"),
  c: () => press("copy"),
  s: () => press("save-png"),
  l: () => press("save-latents"),
  d: swapTheme,
  "?": showKeys,
  "/": () => byId("number").select(),
  " ": () => byId("play")?.click(),
  "+": () => withFocusedFace((face) => addTo(1, face)),
  "-": () => withFocusedFace((face) => addTo(-1, face)),
};

function withFocusedFace(act) {
  const face = document.activeElement?.dataset.face;
  if (face) act(face);
}

addEventListener("keydown", (event) => {
  const isTyping = event.target.matches("input:not([type=range]), select");
  if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "z" && !isTyping) {
    event.preventDefault();
    (event.shiftKey ? redo : undo)();
    return;
  }
  if (isTyping || event.ctrlKey || event.metaKey || event.altKey || byId("keys").open) return;
  const isArrow = event.key.startsWith("Arrow");
  if (event.target === mapCanvas && moveOnMap(event.key)) {
    event.preventDefault();
  } else if (isArrow && state.view === "wall" && !event.target.matches("input")) {
    event.preventDefault();
    moveOnWall(event.key);
  } else if (ON_KEY[event.key] && !(event.key === " " && event.target.matches("button"))) {
    event.preventDefault();
    ON_KEY[event.key]();
  }
});

byId("go").onsubmit = (event) => {
  event.preventDefault();
  goTo(byId("number").value);
};
byId("undo").onclick = undo;
byId("redo").onclick = redo;
byId("theme").onclick = swapTheme;
byId("help").onclick = showKeys;
byId("copy").onclick = copyCommand;
byId("save-png").onclick = savePng;
byId("save-latents").onclick = saveLatents;
acceptFaces(byId("look"), (face) => edit(null, (chosen) => Object.assign(chosen, { face, tab: "face" })));

setTheme(matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
makeSliders();
listeners.push(showTabs, showPanel, showSliders, showStage, showWall, showMap);
show();
