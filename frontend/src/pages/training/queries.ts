import { useQuery } from "@tanstack/react-query";
import { answer, api, type Schemas } from "../../api/client";
import { useMay } from "../../api/session";

export type RunView = Schemas["RunView"];
export type RunDetail = Schemas["RunDetail"];

export function isOpen(run: Pick<RunView, "state">): boolean {
  return run.state === "queued" || run.state === "running";
}

/** The line's newest runs; those at work are looked at every second or so. */
export function useRuns(line: string) {
  const may = useMay();
  return useQuery({
    enabled: may("review"), // models are shown to those, too, who may only classify
    queryKey: ["runs", line],
    queryFn: async () =>
      (
        await answer(
          api.GET("/api/v1/lines/{line}/runs", { params: { path: { line }, query: { limit: 100 } } }),
        )
      ).runs,
    refetchInterval: (query) => (query.state.data?.some(isOpen) ? 1500 : 20_000),
  });
}

export function useRun(line: string, id: string) {
  return useQuery({
    queryKey: ["run", line, id],
    queryFn: () =>
      answer(api.GET("/api/v1/lines/{line}/runs/{run_id}", { params: { path: { line, run_id: id } } })),
  });
}
