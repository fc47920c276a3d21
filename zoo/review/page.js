// Shows the images of a review, moves the threshold, and saves what a person decides.
"use strict";

const STEPS = 200; // positions of the slider
const RATIO = 1.035; // between two thresholds, so that low ones are as easily told apart as high ones
const DIGITS = 4; // of a threshold
const STATES = { accepted: "✓ accepted", rejected: "✗ rejected", redrawn: "✎ redrawn" };

const find = (selector, parent = document) => parent.querySelector(selector);

const images = JSON.parse(find("#data").textContent); // in order; `decide` brings them up to date
const items = new Map(); // image -> its button in the list
let current = 0;
let draft = null; // a threshold that is not saved
let draftPixels = null; // that it would mark in what is seen, as soon as the server has drawn them
let saving = 0; // decisions that are under way
let lastSaved = Promise.resolve();

const image = () => images[current];

// Words and numbers

function rounded(value) {
  return Number(value.toPrecision(DIGITS));
}

function countText(pixels) {
  return pixels.toLocaleString("en");
}

function stateText({ saving, reviewed, use }) {
  if (saving) return "saving …";
  if (reviewed) return STATES[reviewed];
  return use ? "undecided" : "left out";
}

function maskText(pixels) {
  return pixels ? `${countText(pixels)} pixels are marked.` : "No pixel is marked: good.";
}

function draftText() {
  if (draftPixels === null) return "";
  if (!view) return maskText(draftPixels);
  return `${draftPixels ? countText(draftPixels) : "No"} pixels of the window are marked.`;
}

function draftCount() {
  if (draftPixels === null) return "…";
  return countText(draftPixels) + (view ? " in the window" : "");
}

function verdictText(shown) {
  if (draft !== null) return ["Not saved yet.", draftText()];
  if (shown.saving) return ["Saving …", ""];
  const mask = maskText(shown.pixels);
  if (shown.reviewed === "rejected") return ["Rejected:", "left out."];
  if (shown.reviewed === "accepted") return ["Accepted.", mask];
  if (shown.reviewed === "redrawn") return ["Redrawn.", mask];
  return ["Not reviewed.", shown.use ? mask : `Left out: ${shown.reason}.`];
}

// The slider

function thresholdAt(position) {
  const { highest } = image();
  return position >= STEPS ? highest : rounded(highest * RATIO ** (position - STEPS));
}

function positionOf(threshold) {
  if (threshold <= 0) return 0;
  const position = STEPS + Math.log(threshold / image().highest) / Math.log(RATIO);
  return Math.min(Math.max(position, 0), STEPS);
}

function moveBy(step) {
  const position = positionOf(draft ?? image().threshold);
  const slack = 0.25; // of a step: thresholds are rounded, and none is to be met twice
  const next = step > 0 ? Math.floor(position + slack) + 1 : Math.ceil(position - slack) - 1;
  setDraft(thresholdAt(Math.min(Math.max(next, 0), STEPS)));
}

function setDraft(threshold) {
  draft = threshold;
  draftPixels = null;
  showWords();
  drawMarks();
}

// What is shown

function showWords() {
  const shown = image();
  const [state, text] = verdictText(shown);
  const verdict = find("#verdict");
  verdict.replaceChildren(Object.assign(document.createElement("b"), { textContent: state }), ` ${text}`);
  find("section").dataset.state = draft === null ? (shown.reviewed ?? "") : "";
  const threshold = draft ?? shown.threshold;
  const [slider, number] = [find("#slider"), find("#number")];
  slider.max = STEPS;
  slider.value = Math.round(positionOf(threshold));
  slider.setAttribute("aria-valuetext", `threshold ${rounded(threshold)}`);
  if (document.activeElement !== number) number.value = rounded(threshold);
  find("#redraw").disabled = draft === null;
  find("#undo").disabled = draft === null && !shown.reviewed && !shown.redrawn;
  const figures = {
    score: rounded(shown.score),
    "image-threshold": rounded(shown.image_threshold),
    threshold: rounded(threshold),
    pixels: draft === null ? countText(shown.pixels) : draftCount(),
    disagreement: shown.disagreement?.toFixed(3),
  };
  for (const [name, value] of Object.entries(figures)) {
    const place = find(`#${name}`);
    if (place) place.textContent = value;
  }
}

function showProgress() {
  const done = images.filter(({ reviewed }) => reviewed).length;
  find("#count").textContent = `${done} of ${images.length} reviewed`;
  find("#progress").value = done;
}

function showItem(shown) {
  const item = items.get(shown);
  item.dataset.state = shown.reviewed ?? "";
  const differs = shown.disagreement === null ? `score ${shown.score.toPrecision(3)}` : `differs ${shown.disagreement.toFixed(2)}`;
  find(".state", item).textContent = `${stateText(shown)} · ${differs}`;
}

// Moves the list alone: on a phone it lies below the picture, which shall stay in view.
function scrollList({ parentElement: { offsetTop: top, offsetHeight: height } }) {
  const list = find("#list");
  list.scrollTop = Math.min(Math.max(list.scrollTop, top + height - list.clientHeight), top);
}

function show(index) {
  items.get(image()).removeAttribute("aria-current");
  items.get(image()).tabIndex = -1;
  [current, draft, view, grip] = [index, null, null, null];
  const shown = image();
  const item = items.get(shown);
  item.setAttribute("aria-current", "true");
  item.tabIndex = 0;
  scrollList(item);
  find("#name").textContent = shown.name;
  find("#previous").disabled = index === 0;
  find("#next").disabled = index === images.length - 1;
  showError("");
  drawAll();
  if (images[index + 1]) prepare(images[index + 1]);
}

function say(text) {
  find("#status").textContent = text;
}

function showError(text) {
  find("#error").textContent = text;
  find("#error").hidden = !text;
}

// Decisions

function decide(decision) {
  if (decision === "redrawn" && draft === null) return say("Move the threshold first.");
  if (decision === "accepted" && draft !== null) {
    return say("The threshold has moved: Enter saves the mask that is seen, Esc forgets it.");
  }
  const [decided, threshold] = [image(), draft];
  decided.saving = true;
  saving += 1;
  draft = null;
  showItem(decided);
  showWords();
  // One after the other, in the order in which they were made.
  lastSaved = lastSaved.then(() => save(decided, decision, threshold));
  if (decision !== "undone") goOn();
}

async function save(decided, decision, threshold) {
  try {
    const answer = await fetch("/decide", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ file: decided.file, decision, threshold }),
    });
    if (!answer.ok) throw new Error(await answer.text());
    Object.assign(decided, await answer.json());
    showError("");
    say(`${decided.name}: ${decision}.`);
    find("img", items.get(decided)).src = address("small", decided, { v: Date.now() });
  } catch (error) {
    showError(`Not saved: ${decided.name} was not ${decision}. ${error.message}`);
  }
  decided.saving = false;
  saving -= 1;
  showItem(decided);
  showProgress();
  if (decided !== image()) return;
  showWords();
  drawMarks();
}

// To the next image that nobody has decided about, from here on and then from the start.
function goOn() {
  const later = [...images.slice(current + 1), ...images.slice(0, current)];
  const next = later.find((other) => !other.reviewed && !other.saving);
  if (next) show(images.indexOf(next));
  find("#name").focus(); // or Enter would press the button again
}

function undo() {
  const { reviewed, redrawn } = image();
  if (reviewed || redrawn) decide("undone");
  else forgetDraft();
}

function forgetDraft() {
  draft = null;
  showWords();
  drawMarks();
}

function step(by) {
  const index = current + by;
  if (index >= 0 && index < images.length) show(index);
}

// The page

function addItem(shown, index) {
  const button = document.createElement("button");
  const picture = Object.assign(new Image(), { alt: "", loading: "lazy", src: address("small", shown) });
  const words = document.createElement("div");
  for (const name of ["name", "state"]) {
    words.append(Object.assign(document.createElement("span"), { className: name }));
  }
  Object.assign(button, { type: "button", tabIndex: -1 });
  button.append(picture, words);
  find(".name", button).textContent = shown.name;
  button.addEventListener("click", () => {
    show(index);
    find("#name").focus();
  });
  const item = document.createElement("li");
  item.append(button);
  find("#list").append(item);
  items.set(shown, button);
  showItem(shown);
}

function start() {
  images.forEach(addItem);
  find("#slider").addEventListener("input", (event) => setDraft(thresholdAt(event.target.valueAsNumber)));
  find("#number").addEventListener("input", (event) => {
    if (Number.isFinite(event.target.valueAsNumber)) setDraft(event.target.valueAsNumber);
  });
  startPictures();
  startZoom();
  startKeys();
  addEventListener("beforeunload", (event) => saving && event.preventDefault());
  showProgress();
  show(Math.max(images.findIndex(({ reviewed }) => !reviewed), 0)); // goes on where somebody stopped
  find("#name").focus();
}

start();
