const colours = ["#c0392b", "#1f6fb2", "#2e8b57", "#8e44ad", "#b9770e", "#117a8b"];
const colour = (k) => colours[k % colours.length];
const signOf = (group) => (group.sign > 0 ? "+" : "\u2212");
const groups = page.groups.map(([sign, name]) => ({ sign, name, faces: [] }));
let active = 0; // the group that clicked faces are added to

const buttons = page.faces.map(([label, source]) => {
  const picture = element("img", { src: source, alt: "face " + label });
  const marks = element("span", { className: "marks" });
  const button = element("button", { onclick: () => clickFace(label) }, picture, label, marks);
  button.dataset.face = label;
  return button;
});

function element(kind, properties, ...children) {
  const made = Object.assign(document.createElement(kind), properties);
  made.append(...children);
  return made;
}

function clickFace(label) {
  toggleIn(groups[active].faces, label);
  show();
}

function activate(k) {
  active = k;
  document.querySelectorAll(".group").forEach((box, j) => box.classList.toggle("active", j === k));
  showFaces();
}

function addGroup() {
  active = groups.push({ sign: 1, name: "", faces: [] }) - 1;
  show();
}

function show() {
  const more = element("button", { id: "more", textContent: "+ group", onclick: addGroup });
  document.getElementById("groups").replaceChildren(...groups.map(groupBox), more);
  showFaces();
  showCommands();
}

function groupBox(group, k) {
  const sign = element("button", { textContent: signOf(group), title: "add or subtract" });
  const name = element("input", { value: group.name, ariaLabel: "group name" });
  const count = element("button", { textContent: group.faces.length, title: "choose this group" });
  sign.onclick = () => {
    group.sign = -group.sign;
    show();
  };
  name.oninput = () => {
    group.name = name.value;
    showCommands();
  };
  name.onfocus = count.onclick = () => activate(k);
  const box = element("div", { className: k === active ? "group active" : "group" }, sign, name, count);
  box.style.setProperty("--colour", colour(k));
  return box;
}

function mark(group, k) {
  const made = element("i", { textContent: signOf(group) });
  made.style.background = colour(k);
  return made;
}

function showFaces() {
  for (const button of buttons) {
    const isIn = (group) => group.faces.includes(button.dataset.face);
    button.classList.toggle("chosen", isIn(groups[active]));
    button.style.setProperty("--colour", colour(active));
    const marks = groups.flatMap((group, k) => (isIn(group) ? [mark(group, k)] : []));
    button.querySelector(".marks").replaceChildren(...marks);
  }
}

function showCommands() {
  const used = groups.filter((group) => group.faces.length);
  const terms = used.map((group) => {
    const name = group.name.replace(/=/g, "").trim();
    return (group.sign > 0 ? "--plus " : "--minus ") + quoted((name && name + "=") + group.faces.join(","));
  });
  document.getElementById("arithmetic").textContent = used.some((group) => group.sign > 0)
    ? command("vector_arithmetic.py", ...terms, "--out result.png")
    : "# click faces into a + group, and the command appears here";
  const stops = groups[active].faces.length > 1 ? groups[active].faces : used.flatMap((group) => group.faces);
  const walk = ["--faces", quoted(stops.join(",")), "--steps 10 --method both --out path.png"];
  document.getElementById("interpolation").textContent = stops.length > 1
    ? command("interpolate.py", ...walk)
    : "# click two faces or more, and the command for a walk between them appears here";
}

function copy(button) {
  // A page opened from disk cannot use navigator.clipboard, but it can copy what is selected.
  const range = document.createRange();
  range.selectNodeContents(document.getElementById(button.dataset.of));
  getSelection().removeAllRanges();
  getSelection().addRange(range);
  button.textContent = document.execCommand("copy") ? "Copied" : "Press Ctrl+C";
  setTimeout(() => (button.textContent = "Copy"), 1500);
}

document.getElementById("faces").append(...buttons);
document.querySelectorAll(".copy").forEach((button) => (button.onclick = () => copy(button)));
show();
