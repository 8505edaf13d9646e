/** What the line says is to be done with a thing of each class. */

import { useQuery } from "@tanstack/react-query";
import { answer, api } from "../../api/client";

export function useClasses(line: string) {
  return useQuery({
    queryKey: ["classes", line],
    queryFn: async () =>
      (await answer(api.GET("/api/v1/lines/{line}/classes", { params: { path: { line } } }))).classes,
  });
}

/** Tips by class; classes without one are left out. */
export function useTips(line: string): Record<string, string> {
  const { data } = useClasses(line);
  const tips: Record<string, string> = {};
  for (const one of data ?? []) {
    if (one.tip) tips[one.name] = one.tip;
  }
  return tips;
}
