// What every part of the page uses.
"use strict";

const page = JSON.parse(document.getElementById("page-data").textContent);
const [HEIGHT, WIDTH] = page.size;

const byId = (id) => document.getElementById(id);
const clamp = (value, low, high) => Math.min(Math.max(value, low), high);

// A new element. Texts are set as texts, never as HTML, so that no name can add elements to the page.
function element(kind, properties = {}, ...children) {
  const made = document.createElement(kind);
  for (const [name, value] of Object.entries(properties)) {
    if (name in made) made[name] = value;
    else made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

// Adds an item to a list, or takes it out if it is there.
function toggleIn(list, item) {
  const place = list.indexOf(item);
  if (place < 0) list.push(item);
  else list.splice(place, 1);
}

// A number as Python's "%g" writes it.
const short = (value) => String(Number(value.toPrecision(6)));

function decoded(base64) {
  return Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
}
