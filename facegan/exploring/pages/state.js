// What the person has chosen, and how it was before: plain data, so that undoing is going back to an earlier copy.
"use strict";

const MOST_UNDONE = 200;
const TABS = { face: "Face", walk: "Walk", sum: "Sum", list: "List" };

const state = {
  tab: "face",
  first: page.faces ? null : 1, // the number that the wall begins with
  view: "wall",
  truncation: page.truncation,
  face: page.faces ? page.faces[0] : "1",
  strengths: {}, // of the directions
  stops: [], // of the walk
  position: 0,
  method: "slerp",
  groups: page.groups.map(([sign, name]) => ({ sign, name, faces: [] })),
  active: 0, // the group that clicked faces are added to
  list: [],
};
const undone = [];
const done = [];
let lastKind = null;
const listeners = [];

// Changes the state and shows it. Changes in a row of the same kind, such as those of a slider, are undone together.
function edit(kind, change) {
  const before = JSON.stringify(state);
  change(state);
  if (JSON.stringify(state) === before) return;
  if (kind === null || kind !== lastKind) done.push(before);
  if (done.length > MOST_UNDONE) done.shift();
  lastKind = kind;
  undone.length = 0;
  show();
}

function restore(from, to) {
  if (!from.length) return;
  to.push(JSON.stringify(state));
  Object.assign(state, JSON.parse(from.pop()));
  lastKind = null;
  show();
}

const undo = () => restore(done, undone);
const redo = () => restore(undone, done);
const endKind = () => (lastKind = null);

function show() {
  for (const listener of listeners) listener();
}
