// What the keys and buttons of a review do. Runs together with page.js.
"use strict";

const ACTIONS = {
  a: () => decide("accepted"),
  r: () => decide("rejected"),
  Enter: () => decide("redrawn"),
  Escape: () => (draft === null && view ? leaveZoom() : forgetDraft()),
  u: () => undo(),
  ArrowUp: () => moveBy(1),
  "+": () => moveBy(1),
  "=": () => moveBy(1), // the key of + without shift
  ArrowDown: () => moveBy(-1),
  "-": () => moveBy(-1),
  ArrowRight: () => step(1),
  n: () => step(1),
  ArrowLeft: () => step(-1),
  p: () => step(-1),
  z: () => (view ? leaveZoom() : zoomToHottest()),
  "Shift+ArrowUp": () => moveView(-1, 0),
  "Shift+ArrowDown": () => moveView(1, 0),
  "Shift+ArrowLeft": () => moveView(0, -1),
  "Shift+ArrowRight": () => moveView(0, 1),
  h: () => toggle("heat"),
  m: () => toggle("marks"),
  "?": () => find("#help").showModal(),
};
const BUTTONS = {
  accept: "a",
  reject: "r",
  undo: "u",
  redraw: "Enter",
  previous: "p",
  next: "n",
  "zoom-button": "z",
  "heat-button": "h",
  "marks-button": "m",
  "help-button": "?",
};

function keyName({ key, shiftKey }) {
  if (key.length === 1) return key.toLowerCase();
  return shiftKey && key.startsWith("Arrow") ? `Shift+${key}` : key;
}

// Whether a key means to what has the focus something else than to the page.
function isTaken(key, { type, tagName }) {
  if (type === "number") return !["Enter", "Escape"].includes(key);
  if (type === "range") return ["ArrowLeft", "ArrowRight"].includes(key);
  return tagName === "BUTTON" && key === "Enter";
}

function onKey(event) {
  if (event.ctrlKey || event.altKey || event.metaKey || find("#help").open) return;
  const key = keyName(event);
  if (!Object.hasOwn(ACTIONS, key) || isTaken(key, event.target)) return;
  if (event.repeat && !key.includes("Arrow") && !"+=-".includes(key)) return; // held by accident
  event.preventDefault();
  ACTIONS[key]();
}

function startKeys() {
  for (const [name, key] of Object.entries(BUTTONS)) find(`#${name}`).addEventListener("click", ACTIONS[key]);
  document.addEventListener("keydown", onKey);
}
