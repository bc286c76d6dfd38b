// What is seen: its latents, a caption, and the commands that draw it in a shell.
"use strict";

const WALK_STEPS = 10;

// A word quoted for a shell if it needs it.
const quoted = (text) => (/^[\w.,=:/+-]+$/.test(text) ? text : "'" + text.replace(/'/g, "'\\''") + "'");

// A command line for this page's generator, from words that are already quoted.
const command = (script, ...words) => ["python " + script, page.model, ...words].filter(Boolean).join(" ");

// What every command repeats to mean the same faces.
function sameFaces() {
  return [page.options, state.truncation === 1 ? "" : `--truncation ${short(state.truncation)}`]
    .filter(Boolean)
    .join(" ");
}

const directionByName = new Map(page.directions.map((direction) => [direction.name, direction]));
const usedStrengths = () => Object.entries(state.strengths).filter(([, strength]) => Number(short(strength)) !== 0);
const usedGroups = () => state.groups.filter((group) => group.faces.length);
const captionOf = ([name, strength]) => `${strength < 0 ? "−" : "+"} ${short(Math.abs(strength))} ${name}`;
const fileName = (text) => text.replace(/[^\w.-]+/g, "_").slice(0, 60);

// What the open tab shows, or null if it needs more faces:
//   seen: the latent that is drawn. latents: the rows that are saved. faces: those that they are made of.
//   file: a name for what is saved, without suffix. commands(file): the lines to copy.
function whatIsSeen() {
  const faceLatent = (face) => latentOf(face, state.truncation);
  if (state.tab === "walk") return seenWalk(faceLatent);
  if (state.tab === "sum") return seenSum(faceLatent);
  if (state.tab === "list") return seenList(faceLatent);
  const changes = usedStrengths();
  const terms = [[1, faceLatent(state.face)], ...changes.map(([name, strength]) => [strength, steps.get(name)])];
  const latent = combine(terms);
  return {
    seen: latent,
    latents: [latent],
    faces: [state.face],
    caption: ["face " + state.face, ...changes.map(captionOf)].join(" "),
    file: fileName(`face_${state.face}`),
    commands: (file) =>
      changes.length
        ? arithmetic([["--plus", state.face]], file)
        : [command("generate.py", "--faces", quoted(state.face), `--out ${file}.png`, sameFaces())],
  };
}

function seenWalk(faceLatent) {
  if (state.stops.length < 2) return null;
  const stops = state.stops.map(faceLatent);
  const legs = stops.length - 1;
  const path = Array.from({ length: legs * (WALK_STEPS - 1) + 1 }, (_, k) =>
    onWalk(stops, k / (WALK_STEPS - 1), state.method),
  );
  const leg = Math.min(Math.floor(state.position), legs - 1);
  const share = Math.round((state.position - leg) * 100);
  return {
    seen: onWalk(stops, state.position, state.method),
    latents: path,
    faces: state.stops,
    caption: `${share}% of the way from face ${state.stops[leg]} to face ${state.stops[leg + 1]}`,
    file: "walk",
    commands: (file) => [
      command(
        "interpolate.py",
        `--faces ${quoted(state.stops.join(","))} --steps ${WALK_STEPS} --method ${state.method} --out ${file}.png`,
        sameFaces(),
      ),
    ],
  };
}

function seenSum(faceLatent) {
  const used = usedGroups();
  if (!used.some((group) => group.sign > 0)) return null;
  const terms = used.map((group) => [group.sign, average(group.faces.map(faceLatent))]);
  const changes = usedStrengths();
  const latent = combine([...terms, ...changes.map(([name, strength]) => [strength, steps.get(name)])]);
  const names = used.map(
    (group, k) => `${group.sign < 0 ? "− " : k ? "+ " : ""}${group.name || group.faces.join(", ")}`,
  );
  return {
    seen: latent,
    latents: [latent],
    faces: used.flatMap((group) => group.faces),
    caption: [...names, ...changes.map(captionOf)].join(" "),
    file: "sum",
    commands: (file) => arithmetic(used.map(groupTerm), file),
  };
}

function seenList(faceLatent) {
  if (!state.list.length) return null;
  const latents = state.list.map(faceLatent);
  return {
    seen: latents.at(-1),
    latents,
    faces: state.list,
    caption: `${state.list.length} faces, the last one ${state.list.at(-1)}`,
    file: "faces",
    commands: (file) => [
      command("generate.py", "--faces", quoted(state.list.join(",")), `--out ${file}.png`, sameFaces()),
    ],
  };
}

function groupTerm(group) {
  const name = group.name.replace(/=/g, "").trim();
  return [group.sign > 0 ? "--plus" : "--minus", (name && name + "=") + group.faces.join(",")];
}

// The commands for a sum of terms and of the directions in use: those that find the directions come first.
function arithmetic(terms, file) {
  const changes = usedStrengths();
  const found = changes.map(([name]) => directionByName.get(name)).filter((direction) => direction.saved_by);
  const parts = changes.map(([name, strength]) => {
    const amount = short(Math.abs(strength));
    return [strength > 0 ? "--plus" : "--minus", (amount === "1" ? "" : amount + "*") + directionByName.get(name).term];
  });
  const words = [...terms, ...parts].map(([option, term]) => `${option} ${quoted(term)}`);
  return [
    ...found.map(({ saved_by: options }) => command("vector_arithmetic.py", options)),
    command("vector_arithmetic.py", ...words, `--out ${file}.png`, sameFaces()),
  ];
}
