/** One photo and what was said about it. Text only ever enters the page through textContent. */

import { drawHeat, drawPreview } from "./picture.js";

const TOP_CLASSES = 5;

/** What each reason for a review means, in words for the person who looks. */
const REASONS = {
  unknown: "It looks like nothing this line has learned.",
  ambiguous: "The likeliest classes are too close to call.",
  unreadable: "The picture is too dark, too blurred or too small to judge.",
  watched: "This class always gets a second look by a person.",
  sampled: "Picked at random as a check; nothing seems wrong with it.",
};

/**
 * A card for the file. `onRemove()` and `onRetry()` are called for its buttons.
 * It goes through `waiting`, `working`, then `accept`, `review` or `error` (element.dataset.state).
 */
export function createCard(file, { curl, onRemove, onRetry }) {
  const element = document.querySelector("#card").content.cloneNode(true).firstElementChild;
  const find = (selector) => element.querySelector(selector);
  const setState = (state, text) => {
    element.dataset.state = state;
    find(".state").textContent = text;
    find(".state").hidden = !text;
    find(".problem").hidden = state !== "error";
    find(".answer").hidden = state !== "accept" && state !== "review";
  };

  find(".file").textContent = find(".file").title = file.name;
  find(".photo").ariaLabel = file.name;
  find(".curl code").textContent = curl;
  find(".remove").ariaLabel = `Remove ${file.name}`;
  find(".remove").addEventListener("click", onRemove);
  find(".retry").addEventListener("click", onRetry);
  find(".copy").addEventListener("click", (event) => copy(curl, event.currentTarget));
  find(".look").addEventListener("click", () => toggleHeat(find));
  setState("waiting", "Waiting its turn");

  return {
    element,
    async preview() {
      const drawn = await drawPreview(find(".photo"), file);
      find(".no-preview").hidden = drawn;
      element.classList.toggle("blind", !drawn);
    },
    waiting: () => setState("waiting", "Waiting its turn"),
    working: () => setState("working", "Classifying…"),
    pausing: (seconds) => setState("working", `The server is busy; trying again in ${Math.ceil(seconds)} s`),
    done(answer) {
      showAnswer(find, answer);
      find(".heat").explanation = answer.explanation;
      setState(answer.verdict, "");
    },
    failed(problem) {
      find(".problem-title").textContent = "Not classified";
      // What is wrong with the picture itself stays wrong.
      find(".retry").hidden = problem.status >= 400 && problem.status < 500 && problem.status !== 408;
      find(".problem-detail").textContent = problem.message;
      setState("error", "");
    },
  };
}

/** One sentence for screen readers. */
export function spoken(file, answer) {
  const verdict = answer.verdict === "accept" ? "accepted" : `for review, ${answer.reason}`;
  return `${file.name}: ${answer.class}, ${percent(answer.confidence)}, ${verdict}.`;
}

function showAnswer(find, answer) {
  const accepted = answer.verdict === "accept";
  find(".badge").textContent = accepted ? "Accept" : `Review: ${answer.reason}`;
  find(".class").textContent = answer.class;
  find(".confidence").textContent = percent(answer.confidence);
  find(".confidence").title = "Calibrated: of answers this sure, about this share is right";
  find(".why").textContent = accepted ? "" : REASONS[answer.reason] || "A person should look at this one.";
  find(".why").hidden = accepted;
  find(".latency").textContent = `${answer.latency_ms < 10 ? answer.latency_ms.toFixed(1) : Math.round(answer.latency_ms)} ms`;
  find(".model").textContent = `${answer.model.name} ${answer.model.hash.slice(0, 8)}`;
  find(".model").title = `Model ${answer.model.name}, ${answer.model.hash}`;

  const classes = Object.entries(answer.probabilities);
  const rest = classes.slice(TOP_CLASSES);
  find(".bars.top").replaceChildren(...classes.slice(0, TOP_CLASSES).map(bar));
  find(".rest .bars").replaceChildren(...rest.map(bar));
  find(".rest summary").textContent = rest.length === 1 ? "1 more class" : `${rest.length} more classes`;
  find(".rest").hidden = rest.length === 0;
}

function bar([name, probability]) {
  const row = document.createElement("li");
  const [label, track, value] = ["name", "track", "value"].map((part) => {
    const span = document.createElement("span");
    span.className = part;
    return span;
  });
  label.textContent = label.title = name;
  value.textContent = percent(probability);
  track.style.setProperty("--share", probability);
  row.append(label, track, value);
  return row;
}

async function toggleHeat(find) {
  const [button, heat] = [find(".look"), find(".heat")];
  const show = heat.hidden;
  if (show && !heat.explanation) {
    find(".look-note").textContent = "This model cannot show where it looked.";
    return;
  }
  if (show) await drawHeat(heat, heat.explanation, find(".photo"));
  heat.hidden = !show;
  button.ariaPressed = String(show);
  button.textContent = show ? "Hide where it looked" : "Show where it looked";
}

async function copy(text, button) {
  try {
    await navigator.clipboard.writeText(text);
    button.textContent = "Copied";
  } catch {
    // The clipboard exists on HTTPS and loopback only; elsewhere the text is selected for the person to copy.
    getSelection().selectAllChildren(button.previousElementSibling);
    button.textContent = "Selected";
  }
  setTimeout(() => { button.textContent = "Copy"; }, 1600);
}

function percent(share) {
  if (share > 0 && share < 0.001) return "<0.1%";
  if (share > 0.999 && share < 1) return ">99.9%";
  return `${(share * 100).toFixed(1)}%`;
}
