/** The HTTP API, typed by its own description. Every failure is a Problem whose words can be shown to people. */

import { QueryCache, QueryClient } from "@tanstack/react-query";
import createClient from "openapi-fetch";
import { words } from "../words";
import type { components, paths } from "./schema";

export type Schemas = components["schemas"];

/** What went wrong, in the words of the server's problem document (RFC 9457) where it sent one. */
export class Problem extends Error {
  readonly title: string;
  readonly status: number;
  readonly type: string;
  readonly retryAfter: number;

  constructor(said: { title: string; detail: string; status?: number; type?: string; retryAfter?: number }) {
    super(said.detail);
    this.title = said.title;
    this.status = said.status ?? 0;
    this.type = said.type ?? "";
    this.retryAfter = said.retryAfter ?? 1;
  }
}

const LONGEST_WAIT_S = 30;

export const api = createClient<paths>({
  baseUrl: window.location.origin,
  fetch: (request) => globalThis.fetch(request),
});

/** What the call gives; a refusal or silence is thrown as a Problem. */
export async function answer<T>(
  call: Promise<{ data?: T; error?: unknown; response: Response }>,
): Promise<T> {
  let found: { data?: T; error?: unknown; response: Response };
  try {
    found = await call;
  } catch (error) {
    throw silence(error);
  }
  if (!found.response.ok) throw problemOf(found.error, found.response);
  return found.data as T;
}

/** The same for a request that fetch itself makes. */
export async function sent(url: string, options?: RequestInit): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(url, options);
  } catch (error) {
    throw silence(error);
  }
  if (response.ok) return response;
  throw problemOf(await response.json().catch(() => null), response);
}

export function problemOf(said: unknown, response: Pick<Response, "status" | "headers">): Problem {
  const document = (said ?? {}) as { title?: string; detail?: string; type?: string };
  const seconds = Number(response.headers.get("Retry-After"));
  return new Problem({
    title: document.title || words.problems.answered(response.status),
    detail: document.detail || words.problems.noReason,
    type: document.type,
    status: response.status,
    retryAfter: Math.min(seconds > 0 ? seconds : 1, LONGEST_WAIT_S),
  });
}

function silence(error: unknown): unknown {
  if (error instanceof DOMException && error.name === "AbortError") return error;
  return new Problem({ title: words.problems.silence, detail: words.problems.silenceDetail });
}

export const queries = new QueryClient({
  queryCache: new QueryCache({
    // Whoever was signed out meanwhile is asked to sign in again.
    onError: (error, query) => {
      if (error instanceof Problem && error.status === 401 && query.queryKey[0] !== "session") {
        queries.invalidateQueries({ queryKey: ["session"] });
      }
    },
  }),
  defaultOptions: {
    queries: {
      staleTime: 10_000,
      retry: (count, error) =>
        count < 2 && (!(error instanceof Problem) || error.status === 0 || error.status >= 500),
      retryDelay: (count) => 500 * 2 ** count,
    },
  },
});
