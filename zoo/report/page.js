// Counts and draws again what the sliders of the report change.
"use strict";

const Z = 1.959963984540054; // a normal value lies within so many deviations in 95 % of all cases
const CARDS_AT_ONCE = 60;
const SVG = "http://www.w3.org/2000/svg";

const find = (selector, parent = document) => parent.querySelector(selector);
const findAll = (selector, parent = document) => [...parent.querySelectorAll(selector)];

const data = JSON.parse(find("#data").textContent);
const cards = findAll(".card");
const scoreSlider = find("#score-slider");
const pixelSlider = find("#pixel-slider");
let cardLimit = CARDS_AT_ONCE;

// Numbers

function bytesOf(text) {
  return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
}

function ratio(part, whole) {
  return whole ? part / whole : null;
}

function fixed(value, digits = 3) {
  return value === null ? "–" : value.toFixed(digits);
}

function thresholdText(value) {
  return String(Number(value.toPrecision(5)));
}

// Source: Wilson, Journal of the American Statistical Association 1927.
function wilsonText(part, total) {
  if (!total) return "–";
  const share = part / total;
  const center = share + (Z * Z) / (2 * total);
  const margin = Z * Math.sqrt((share * (1 - share)) / total + (Z * Z) / (4 * total * total));
  const [low, high] = [center - margin, center + margin].map((bound) => bound / (1 + (Z * Z) / total));
  return `${fixed(Math.max(low, 0))} to ${fixed(Math.min(high, 1))}`;
}

function show(name, text) {
  for (const element of findAll(`[data-show="${name}"]`)) element.textContent = text;
}

function nameThreshold(kind, slider) {
  const text = thresholdText(data[kind].thresholds[slider.valueAsNumber]);
  find(`#${kind}-value`).textContent = text;
  slider.setAttribute("aria-valuetext", `threshold ${text}`);
}

// Parts

function scoreThreshold() {
  return data.score.thresholds[scoreSlider.valueAsNumber];
}

function showDecisions() {
  const threshold = scoreThreshold();
  const rejected = (scores) => scores.filter((score) => score > threshold).length;
  const { defective, good } = data.scores;
  const [tp, fp] = [rejected(defective), rejected(good)];
  const [fn, tn] = [defective.length - tp, good.length - fp];
  const [tpr, tnr] = [ratio(tp, defective.length), ratio(tn, good.length)];
  const [f1, f1OfGood] = [tp, tn].map((right) => ratio(2 * right, 2 * right + fp + fn));
  const mean = (first, second) => (first === null || second === null ? null : (first + second) / 2);
  for (const [name, count] of Object.entries({ tp, fp, fn, tn })) show(name, String(count));
  const shares = { tpr, tnr, f1, precision: ratio(tp, tp + fp) };
  shares.balanced_accuracy = mean(tpr, tnr);
  shares.macro_f1 = mean(f1, f1OfGood);
  for (const [name, share] of Object.entries(shares)) show(name, fixed(share));
  show("tpr_interval", wilsonText(tp, defective.length));
  show("tnr_interval", wilsonText(tn, good.length));
  show("sentence", data.score.sentences[scoreSlider.valueAsNumber]);
  nameThreshold("score", scoreSlider);
  if (tpr !== null && tnr !== null) moveDot("#image-roc-chart", 1 - tnr, tpr);
  cards.forEach(showDecision);
  filterCards();
}

function isRejected(card) {
  return Number(card.dataset.score) > scoreThreshold();
}

function isWrong(card) {
  return isRejected(card) !== "defective" in card.dataset;
}

function showDecision(card) {
  const output = find(".decision", card);
  output.textContent = (isWrong(card) ? "wrongly " : "") + (isRejected(card) ? "rejected" : "passed");
  output.classList.toggle("wrong", isWrong(card));
  if (card.dataset.boxes !== "[]") drawPrediction(card); // boxes are those of rejected parts
}

// Pixels

function showOverlap() {
  const { pixel } = data;
  const at = pixelSlider.valueAsNumber;
  const [both, excess, missed] = ["true_positive", "false_positive", "false_negative"].map(
    (name) => pixel[name][at],
  );
  show("set_iou", fixed(ratio(both, both + excess + missed)));
  show("set_dice", fixed(ratio(2 * both, 2 * both + excess + missed)));
  show("set_precision", fixed(ratio(both, both + excess)));
  show("set_recall", fixed(ratio(both, both + missed)));
  show("defect_iou", fixed(pixel.defect_iou[at]));
  nameThreshold("pixel", pixelSlider);
  moveLine("#overlap-chart", pixel.thresholds[at]);
  visible.forEach(drawPrediction);
}

// Charts

function moving(chart, name) {
  const svg = find(`${chart} svg`);
  if (!svg) return null;
  const [left, top, width, height] = svg.dataset.frame.split(" ").map(Number);
  const [x0, x1, y0, y1] = svg.dataset.range.split(" ").map(Number);
  let shape = find(".moving", svg);
  if (!shape) {
    shape = svg.appendChild(document.createElementNS(SVG, name));
    shape.classList.add("moving");
  }
  const place = (x, y) => [left + (width * (x - x0)) / (x1 - x0), top + (height * (y1 - y)) / (y1 - y0)];
  const set = (attributes) => {
    for (const [key, value] of Object.entries(attributes)) shape.setAttribute(key, value);
  };
  return { place, set, y0, y1 };
}

function moveLine(chart, x) {
  const line = moving(chart, "line");
  if (!line) return;
  const [[x1, y1], [x2, y2]] = [line.place(x, line.y0), line.place(x, line.y1)];
  line.set({ x1, y1, x2, y2 });
}

function moveDot(chart, x, y) {
  const dot = moving(chart, "circle");
  if (!dot) return;
  const [cx, cy] = dot.place(x, y);
  dot.set({ cx, cy, r: 4 });
}

// Filters

function filterCards() {
  if (!cards.length) return;
  const kind = find("[name=show]:checked").value;
  const type = find("#type")?.value ?? "";
  const name = find("#name").value.toLowerCase();
  const wanted = {
    all: () => true,
    defective: (card) => "defective" in card.dataset,
    good: (card) => !("defective" in card.dataset),
    wrong: isWrong,
  }[kind];
  const matches = new Set(
    cards.filter(
      (card) =>
        wanted(card) &&
        (!type || card.dataset.label === type) &&
        find(".name", card).textContent.toLowerCase().includes(name),
    ),
  );
  const shown = new Set([...matches].slice(0, cardLimit));
  for (const card of cards) card.hidden = !shown.has(card);
  shown.forEach(imagesOf); // a page is printed at once: they must be there by then
  find("#shown").textContent = `${shown.size} of ${matches.size} pictures`;
  find("#more").hidden = shown.size === matches.size;
}

function start() {
  for (const control of findAll(":disabled")) control.disabled = false;
  // The last of the moves within a frame is drawn.
  const perFrame = (action) => {
    let waiting = false;
    return () => {
      if (waiting) return;
      waiting = true;
      requestAnimationFrame(() => {
        waiting = false;
        action();
      });
    };
  };
  scoreSlider.addEventListener("input", perFrame(showDecisions));
  pixelSlider?.addEventListener("input", perFrame(showOverlap));
  find("#reset").addEventListener("click", () => {
    scoreSlider.value = data.score.start;
    showDecisions();
    if (!pixelSlider) return;
    pixelSlider.value = data.pixel.start;
    showOverlap();
  });
  find(".filters")?.addEventListener("input", () => {
    cardLimit = CARDS_AT_ONCE;
    filterCards();
  });
  find("#more")?.addEventListener("click", () => {
    cardLimit += CARDS_AT_ONCE;
    filterCards();
  });
  showDecisions();
  if (pixelSlider) showOverlap();
  cards.forEach((card) => observer.observe(card));
  addEventListener("beforeprint", () => cards.filter((card) => !card.hidden).forEach(drawNow));
}

start();
