import { useQuery } from "@tanstack/react-query";
import { answer, api, type Schemas } from "../../api/client";
import type { Metrics } from "../../parts/comparison";

export type ModelView = Schemas["ModelView"];

export function useModels(line: string) {
  return useQuery({
    queryKey: ["models", line],
    queryFn: () =>
      answer(api.GET("/api/v1/lines/{line}/models", { params: { path: { line }, query: { limit: 200 } } })),
  });
}

export function useModel(line: string, model: string) {
  return useQuery({
    queryKey: ["models", line, model],
    queryFn: () =>
      answer(api.GET("/api/v1/lines/{line}/models/{model}", { params: { path: { line, model } } })),
    refetchInterval: (query) => (query.state.data?.state === "shadow" ? 5000 : false),
  });
}

export function metricsOf(model: Pick<ModelView, "metrics">): Metrics {
  return model.metrics as Metrics;
}
