"use strict";
const page = JSON.parse(document.getElementById("page-data").textContent);

// Adds an item to a list, or takes it out if it is there.
function toggleIn(list, item) {
  const place = list.indexOf(item);
  if (place < 0) list.push(item);
  else list.splice(place, 1);
}

// A word quoted for a shell if it needs it.
function quoted(text) {
  return /^[\w.,=:/+-]+$/.test(text) ? text : "'" + text.replace(/'/g, "'\\''") + "'";
}

// A command line for this page's generator, from words that are already quoted.
function command(script, ...words) {
  return ["python " + script, page.model, ...words, page.options].filter(Boolean).join(" ");
}
