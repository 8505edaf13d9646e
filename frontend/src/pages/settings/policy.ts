import { useMutation, useQueryClient } from "@tanstack/react-query";
import { answer, api, type Schemas } from "../../api/client";
import { failed } from "../../parts/toasts";
import { useLine } from "../../shell/line";

export type PolicyState = Schemas["PolicyState"];
export type Budget = Schemas["BudgetView"];

/** Sets the policy, and everything that shows it looks again. */
export function useSetPolicy() {
  const line = useLine();
  const queries = useQueryClient();
  return useMutation({
    mutationFn: (body: Schemas["PolicyChange"]) =>
      answer(api.PUT("/api/v1/lines/{line}/policy", { params: { path: { line: line.name } }, body })),
    onSuccess: () => {
      for (const key of ["policy", "lines", "dashboard"]) void queries.invalidateQueries({ queryKey: [key] });
    },
    onError: failed,
  });
}
