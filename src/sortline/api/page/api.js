/** The HTTP API as this page uses it. Every failure is a Problem whose words can be shown to people. */

const MOST_RETRIES = 4;
const LONGEST_WAIT_S = 30;

/** What went wrong, in the words of the server's problem document (RFC 9457) where it sent one. */
export class Problem extends Error {
  constructor({ title, detail, status = 0 }) {
    super(detail || title);
    this.title = title;
    this.status = status;
  }
}

/** The lines of this installation: [{name, title, default, classes, model}]. */
export async function fetchLines() {
  const response = await send("/api/v1/lines");
  return (await response.json()).lines;
}

/** "ready", "starting" (it answers, no model serves yet) or "down". */
export async function fetchHealth() {
  try {
    const response = await fetch("/health/ready", { cache: "no-store" });
    return response.ok ? "ready" : "starting";
  } catch {
    return "down";
  }
}

/**
 * The answer for one picture. While the server is full (503) it waits as told by Retry-After,
 * calling `onWait(seconds)`, and gives up after a few times.
 */
export async function classify(line, file, { signal, onWait = () => {} } = {}) {
  const path = `/api/v1/lines/${encodeURIComponent(line)}/classify?explain=true&source=page`;
  for (let retries = 0; ; retries += 1) {
    const body = new FormData();
    body.append("image", file);
    try {
      const response = await send(path, { method: "POST", body, signal });
      return await response.json();
    } catch (problem) {
      if (problem.status !== 503 || retries === MOST_RETRIES) throw problem;
      onWait(problem.retryAfter);
      await sleep(problem.retryAfter * 1000, signal);
    }
  }
}

/** The command that asks the same of this server. The default line answers at the short address. */
export function curlLine(line, file) {
  const path = line.default ? "/predict" : `/api/v1/lines/${encodeURIComponent(line.name)}/classify`;
  return `curl -F ${shellWord(file.name)} ${location.origin}${path}`;
}

async function send(path, options) {
  let response;
  try {
    response = await fetch(path, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem({
      title: "No answer",
      detail: "The server did not answer, or the file can no longer be read. Check that Sortline is running, then try again.",
    });
  }
  if (response.ok) return response;
  throw await problemOf(response);
}

async function problemOf(response) {
  const said = await response.json().catch(() => ({}));
  const problem = new Problem({
    title: said.title || `The server answered ${response.status}`,
    detail: said.detail || "It gave no reason. The server's log has more.",
    status: response.status,
  });
  const seconds = Number(response.headers.get("Retry-After"));
  problem.retryAfter = Math.min(seconds > 0 ? seconds : 1, LONGEST_WAIT_S);
  return problem;
}

function sleep(ms, signal) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, ms);
    signal?.addEventListener("abort", () => {
      clearTimeout(timer);
      reject(signal.reason);
    });
  });
}

/** `image=@name`, quoted where the shell or curl (which splits at ; and ,) would misread it. */
function shellWord(name) {
  if (/^[\w.][\w.-]*$/.test(name)) return `image=@${name}`;
  const forCurl = name.replace(/[\\"]/g, "\\$&");
  return `'image=@"${forCurl.replaceAll("'", "'\\''")}"'`;
}
