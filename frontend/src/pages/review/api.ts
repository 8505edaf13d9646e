/** What the review page asks of the server. */

import { answer, api, type Schemas, sent } from "../../api/client";

export type Item = Schemas["ItemView"] & { similarity?: number };
export type Decision = Schemas["NewDecision"];
export type Decided = Schemas["DecidedList"];
export type Stats = Schemas["StatsView"];

export interface Wanted {
  reason?: Schemas["Lease"]["reason"];
  class?: string;
  cluster?: number;
}

export const LEASE_S = 300;

export function reviewOf(line: string) {
  const params = { path: { line } };
  return {
    lease: (limit: number, wanted: Wanted) =>
      answer(
        api.POST("/api/v1/lines/{line}/review/lease", {
          params,
          body: { limit, seconds: LEASE_S, ...wanted },
        }),
      ),
    renew: (items: string[]) =>
      answer(api.POST("/api/v1/lines/{line}/review/renew", { params, body: { items, seconds: LEASE_S } })),
    // The page may be going: such a request outlives it.
    release: (items: string[]) =>
      sent(`/api/v1/lines/${encodeURIComponent(line)}/review/release`, {
        method: "POST",
        keepalive: true,
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify({ items }),
      }),
    decide: (decisions: Decision[]) =>
      answer(api.POST("/api/v1/lines/{line}/review/decide", { params, body: { decisions } })),
    undo: (decisions: string[]) =>
      answer(api.POST("/api/v1/lines/{line}/review/undo", { params, body: { decisions } })),
    list: (query: { reason?: Wanted["reason"]; cursor?: string; limit: number }) =>
      answer(api.GET("/api/v1/lines/{line}/review", { params: { ...params, query } })),
    similar: (item: string) =>
      answer(
        api.GET("/api/v1/lines/{line}/review/{item}/similar", {
          params: { path: { line, item }, query: { limit: 60 } },
        }),
      ),
    clusters: () =>
      answer(
        api.GET("/api/v1/lines/{line}/review/clusters", { params: { ...params, query: { limit: 60 } } }),
      ),
    stats: () => answer(api.GET("/api/v1/lines/{line}/review/stats", { params })),
  };
}
