/** What is accepted and what a person sees: by a budget, or by hand. */

import { Stack } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { answer, api } from "../../api/client";
import { Loaded } from "../../parts/States";
import { useLine } from "../../shell/line";
import { BudgetCard } from "./BudgetCard";
import { HandCard } from "./HandCard";
import { ReviewCard } from "./ReviewCard";

export function PolicyPanel() {
  const line = useLine();
  const policy = useQuery({
    queryKey: ["policy", line.name],
    queryFn: () => answer(api.GET("/api/v1/lines/{line}/policy", { params: { path: { line: line.name } } })),
  });
  return (
    <Loaded query={policy}>
      {(found) => (
        <Stack>
          <BudgetCard key={JSON.stringify(found.budget)} state={found} />
          <HandCard key={JSON.stringify(found.own)} state={found} />
          <ReviewCard />
        </Stack>
      )}
    </Loaded>
  );
}
