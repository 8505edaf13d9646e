/** Sortline's first page: photos in by drop, paste or choice; a card with class and verdict for each. */

import { classify, curlLine, fetchHealth, fetchLines } from "./api.js";
import { createCard, spoken } from "./card.js";
import { photosOf } from "./intake.js";

const UPLOADS_AT_ONCE = 3;
const PREVIEWS_AT_ONCE = 2;
const HEALTH_EVERY_MS = 10_000;

const $ = (id) => document.getElementById(id);
const upload = inLanes(UPLOADS_AT_ONCE);
const preview = inLanes(PREVIEWS_AT_ONCE);
const cancels = new Map(); // card element → AbortController
const filterButtons = document.querySelectorAll(".filters button");
let lines = [];

listenForPhotos();
listenForTools();
loadLines().then(watchHealth);

/** Queues the photos on the line chosen now; the newest batch stands first. */
function add(files) {
  const line = chosenLine();
  if (!line || files.length === 0) return;
  const items = files.map((file) => createItem(file, line));
  filter("all");
  $("results").prepend(...items.map((item) => item.card.element));
  for (const item of items) {
    preview(item.card.preview);
    upload(item.run);
  }
  tally();
}

function createItem(file, line) {
  const cancel = new AbortController();
  const card = createCard(file, {
    curl: curlLine(line, file),
    onRemove: () => remove(card.element),
    onRetry: () => {
      card.waiting();
      tally();
      upload(run);
    },
  });
  cancels.set(card.element, cancel);

  async function run() {
    if (cancel.signal.aborted) return;
    card.working();
    try {
      const answer = await classify(line.name, file, { signal: cancel.signal, onWait: card.pausing });
      card.done(answer);
      $("live").textContent = spoken(file, answer);
    } catch (problem) {
      if (cancel.signal.aborted) return;
      card.failed(problem);
      $("live").textContent = `${file.name}: ${problem.message}`;
    }
    tally();
  }
  return { card, run };
}

function remove(element) {
  const shown = [...$("results").children].filter((card) => card.checkVisibility());
  const at = shown.indexOf(element);
  const neighbour = shown[at + 1] ?? shown[at - 1]; // where the keyboard goes on
  cancels.get(element).abort();
  cancels.delete(element);
  element.remove();
  tally();
  (neighbour?.querySelector(".remove") ?? $("drop")).focus();
}

/** Brings counts, progress and the empty state in line with the cards. */
function tally() {
  const count = { all: 0, accept: 0, review: 0, error: 0, waiting: 0, working: 0 };
  for (const card of $("results").children) {
    count.all += 1;
    count[card.dataset.state] += 1;
  }
  for (const button of filterButtons) {
    button.querySelector("b").textContent = count[button.dataset.show];
    button.hidden = button.dataset.show === "error" && count.error === 0 && button.ariaPressed !== "true";
  }
  const done = count.accept + count.review + count.error;
  $("progress").max = Math.max(count.all, 1);
  $("progress").value = done;
  $("progress").classList.toggle("idle", done === count.all);
  $("work-title").textContent = done < count.all ? `${done} of ${count.all} done` : plural(count.all, "photo");
  $("work").hidden = count.all === 0;
  document.body.classList.toggle("busy-page", count.all > 0);
}

function listenForPhotos() {
  $("drop").addEventListener("click", () => $("files").click());
  $("files").addEventListener("change", () => {
    add([...$("files").files]);
    $("files").value = ""; // so that the same file can be chosen again
  });
  document.addEventListener("paste", async (event) => add(await photosOf(event.clipboardData)));

  // The whole window takes drops: a photo let go beside the zone must not replace the page.
  const mark = (on) => document.body.classList.toggle("dragging", on);
  document.addEventListener("dragover", (event) => {
    event.preventDefault();
    mark(true);
  });
  document.addEventListener("dragleave", (event) => mark(event.relatedTarget !== null));
  document.addEventListener("drop", async (event) => {
    event.preventDefault();
    mark(false);
    add(await photosOf(event.dataTransfer));
  });
}

function listenForTools() {
  $("line").addEventListener("change", showLine);
  $("clear").addEventListener("click", () => {
    for (const cancel of cancels.values()) cancel.abort();
    cancels.clear();
    $("results").replaceChildren();
    filter("all");
    tally();
    $("drop").focus();
  });
  for (const button of filterButtons) {
    button.addEventListener("click", () => filter(button.dataset.show));
  }
}

/** Shows only the cards in this state, or "all". */
function filter(state) {
  $("results").dataset.show = state;
  for (const button of filterButtons) button.ariaPressed = String(button.dataset.show === state);
}

async function loadLines() {
  try {
    lines = await fetchLines();
  } catch (problem) {
    notice(problem.message);
    return;
  }
  const asked = new URLSearchParams(location.search).get("line");
  const first = lines.find((line) => line.name === asked) ?? lines.find((line) => line.default) ?? lines[0];
  $("line").replaceChildren(...lines.map((line) => new Option(line.title || line.name, line.name, false, line === first)));
  $("line").disabled = lines.length === 0;
  if (first) showLine();
  else notice("There is no line yet. Create one: sortline lines create NAME");
}

/** Shows what the chosen line knows, and keeps the choice in the address so that it can be shared. */
function showLine() {
  const line = chosenLine();
  const address = new URL(location.href);
  if (line.default) address.searchParams.delete("line");
  else address.searchParams.set("line", line.name);
  history.replaceState(null, "", address);
  notice(line.model ? "" : `The line “${line.title || line.name}” has no model yet, so it cannot classify. Choose another line, or give it a model.`);
  $("knows").hidden = line.classes.length === 0;
  $("knows-text").textContent = `Knows ${plural(line.classes.length, "class", "classes")}`;
  $("classes").replaceChildren(...line.classes.map((name) => {
    const chip = document.createElement("li");
    chip.textContent = name;
    return chip;
  }));
}

function chosenLine() {
  return lines.find((line) => line.name === $("line").value);
}

function notice(text) {
  $("notice").textContent = text;
  $("notice").hidden = !text;
}

async function watchHealth() {
  const words = { ready: "Ready", starting: "Starting", down: "Not reachable" };
  if (!document.hidden) {
    const state = await fetchHealth();
    const isBack = $("health").dataset.state !== "ready" && state === "ready";
    $("health").dataset.state = state;
    if ($("health-text").textContent !== words[state]) $("health-text").textContent = words[state];
    if (isBack && lines.length === 0) loadLines();
  }
  setTimeout(watchHealth, HEALTH_EVERY_MS);
}

/** A function that runs tasks in order, at most `width` at a time. */
function inLanes(width) {
  const queue = [];
  let running = 0;
  return async function run(task) {
    queue.push(task);
    if (running === width) return;
    running += 1;
    while (queue.length > 0) await queue.shift()();
    running -= 1;
  };
}

function plural(n, one, many = `${one}s`) {
  return `${n} ${n === 1 ? one : many}`;
}
