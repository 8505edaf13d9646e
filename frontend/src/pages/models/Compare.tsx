/** Two models side by side: on the same pictures where a run compared them, else each by its own figures. */

import { Select, SimpleGrid, Stack, Table, Text } from "@mantine/core";
import { useSearchParams } from "react-router";
import { Card, Rows } from "../../parts/Cards";
import { Change, ComparisonView } from "../../parts/Comparison";
import type { Comparison } from "../../parts/comparison";
import { percent, short } from "../../parts/format";
import { Screen } from "../../parts/Screen";
import { Empty, Loaded } from "../../parts/States";
import { useLine } from "../../shell/line";
import { words } from "../../words";
import { useRun, useRuns } from "../training/queries";
import { OwnConfusion } from "./OwnConfusion";
import { type ModelView, metricsOf, useModels } from "./queries";

const t = words.models;

export function Compare() {
  const line = useLine();
  const models = useModels(line.name);
  const [search, setSearch] = useSearchParams();
  const set = (name: string, hash: string | null) =>
    setSearch((now) => {
      hash ? now.set(name, hash) : now.delete(name);
      return now;
    });
  return (
    <Screen title={t.compare}>
      <Loaded
        query={models}
        empty={(found) => found.models.length < 2}
        whenEmpty={<Empty title={t.pickTwo} detail={t.noModelsDetail} />}
      >
        {({ models: all }) => {
          const a = all.find((one) => one.hash === search.get("a"));
          const b = all.find((one) => one.hash === search.get("b"));
          const data = all.map((one) => ({
            value: one.hash,
            label: `${one.name} ${short(one.hash)} · ${t.states[one.state]}`,
          }));
          return (
            <Stack>
              <SimpleGrid cols={{ base: 1, sm: 2 }}>
                <Select
                  label={t.before}
                  data={data}
                  value={a?.hash ?? null}
                  onChange={(hash) => set("a", hash)}
                  searchable
                />
                <Select
                  label={t.after}
                  data={data}
                  value={b?.hash ?? null}
                  onChange={(hash) => set("b", hash)}
                  searchable
                />
              </SimpleGrid>
              {a && b ? <Both a={a} b={b} /> : <Empty title={t.pickTwo} />}
            </Stack>
          );
        }}
      </Loaded>
    </Screen>
  );
}

function Both({ a, b }: { a: ModelView; b: ModelView }) {
  const line = useLine();
  const runs = useRuns(line.name);
  const run = runs.data?.find(
    (one) => one.bundle?.hash === b.hash && one.live?.hash === a.hash && one.compared_at,
  );
  if (run) return <OnSamePictures run={run.id} a={a} b={b} />;
  return <OwnFigures a={a} b={b} />;
}

function OnSamePictures({ run, a, b }: { run: string; a: ModelView; b: ModelView }) {
  const line = useLine();
  const found = useRun(line.name, run);
  return (
    <Loaded query={found}>
      {(one) =>
        one.comparison ? (
          <ComparisonView
            comparison={one.comparison as unknown as Comparison}
            before={a.name}
            after={b.name}
          />
        ) : (
          <OwnFigures a={a} b={b} />
        )
      }
    </Loaded>
  );
}

function OwnFigures({ a, b }: { a: ModelView; b: ModelView }) {
  const [before, after] = [metricsOf(a), metricsOf(b)];
  const classes = [...new Set([...a.classes, ...b.classes])];
  const rows: [string, number | undefined, number | undefined][] = [
    [t.accuracy, before.test_accuracy?.value, after.test_accuracy?.value],
    [t.macroF1, before.test_macro_f1, after.test_macro_f1],
    ...classes.map((name): [string, number | undefined, number | undefined] => [
      `${t.f1}: ${name}`,
      before.test_f1?.[name],
      after.test_f1?.[name],
    ]),
  ];
  return (
    <Stack>
      <Text size="sm" c="dimmed">
        {t.ownFigures}
      </Text>
      <Card title={t.perClass}>
        <Rows label={t.perClass} head={["", a.name, b.name, t.change]}>
          {rows.map(([label, was, is]) => (
            <Table.Tr key={label}>
              <Table.Th scope="row" fw={500}>
                {label}
              </Table.Th>
              <Table.Td>{percent(was)}</Table.Td>
              <Table.Td>{percent(is)}</Table.Td>
              <Table.Td>
                <Change value={was === undefined || is === undefined ? null : is - was} />
              </Table.Td>
            </Table.Tr>
          ))}
        </Rows>
      </Card>
      <SimpleGrid cols={{ base: 1, lg: 2 }}>
        {[a, b].map((model) => (
          <Card key={model.hash} title={`${model.name} ${short(model.hash)}`}>
            <OwnConfusion model={model} />
          </Card>
        ))}
      </SimpleGrid>
    </Stack>
  );
}
