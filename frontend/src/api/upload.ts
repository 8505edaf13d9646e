/** Sending large files: unlike fetch, XMLHttpRequest tells how much of a body has gone. */

import { words } from "../words";
import { Problem, problemOf } from "./client";

export interface Sending<T> {
  done: Promise<T>;
  cancel: () => void;
}

/** Sends a form and tells the share of it that has left, 0 to 1. A cancelled one rejects with an AbortError. */
export function sendForm<T>(url: string, form: FormData, onProgress: (share: number) => void): Sending<T> {
  const request = new XMLHttpRequest();
  const done = new Promise<T>((resolve, reject) => {
    request.open("POST", url);
    request.responseType = "text";
    request.upload.onprogress = (event) => event.lengthComputable && onProgress(event.loaded / event.total);
    request.onabort = () => reject(new DOMException("cancelled", "AbortError"));
    request.onerror = () =>
      reject(new Problem({ title: words.problems.silence, detail: words.problems.silenceDetail }));
    request.onload = () => {
      const body = parsed(request.responseText);
      if (request.status >= 200 && request.status < 300) resolve(body as T);
      else {
        const headers = new Headers({ "Retry-After": request.getResponseHeader("Retry-After") ?? "" });
        reject(problemOf(body, { status: request.status, headers }));
      }
    };
    request.send(form);
  });
  return { done, cancel: () => request.abort() };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
