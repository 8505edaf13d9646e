/** What a model takes for what, by its own figures or by those of the run that made it. */

import { Text } from "@mantine/core";
import { Confusion } from "../../parts/Confusion";
import { type Comparison, judged } from "../../parts/comparison";
import { short } from "../../parts/format";
import { Loaded } from "../../parts/States";
import { useLine } from "../../shell/line";
import { words } from "../../words";
import { useRun, useRuns } from "../training/queries";
import { type ModelView, metricsOf } from "./queries";

const t = words.models;
type Shown = Pick<ModelView, "hash" | "classes" | "metrics">;

export function OwnConfusion({ model }: { model: Shown }) {
  const line = useLine();
  const runs = useRuns(line.name);
  const matrix = metricsOf(model).test_confusion;
  if (matrix)
    return (
      <Confusion classes={model.classes} matrix={matrix} label={`${t.confusion} ${short(model.hash)}`} />
    );
  const run = runs.data?.find((one) => one.bundle?.hash === model.hash && one.compared_at);
  return run ? <OfItsRun run={run.id} model={model} /> : <Text c="dimmed">{t.noFigures}</Text>;
}

function OfItsRun({ run, model }: { run: string; model: Shown }) {
  const line = useLine();
  const found = useRun(line.name, run);
  return (
    <Loaded query={found}>
      {(one) => {
        const view = one.comparison ? judged(one.comparison as unknown as Comparison) : null;
        return view ? (
          <Confusion
            classes={view.classes}
            matrix={view.candidate.confusion}
            elsewhere={view.elsewhere}
            label={`${t.confusion} ${short(model.hash)}`}
          />
        ) : (
          <Text c="dimmed">{t.noFigures}</Text>
        );
      }}
    </Loaded>
  );
}
