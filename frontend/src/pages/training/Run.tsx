/** One run: live while it is at work, its comparison and report afterwards. */

import { LineChart } from "@mantine/charts";
import "@mantine/charts/styles.css";
import { Anchor, Button, Group, SimpleGrid, Stack, Tabs, Text } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { Link, useParams } from "react-router";
import { answer, api, type Schemas } from "../../api/client";
import { useEvents } from "../../api/events";
import { useMay } from "../../api/session";
import { Card, Facts, StateBadge } from "../../parts/Cards";
import { ComparisonView } from "../../parts/Comparison";
import type { Comparison, Verdict } from "../../parts/comparison";
import { confirm } from "../../parts/confirm";
import { between, bytes, count, duration, moment, short } from "../../parts/format";
import { Log, type LogLine, withLine } from "../../parts/Log";
import { Screen } from "../../parts/Screen";
import { Failed, Loaded } from "../../parts/States";
import { failed } from "../../parts/toasts";
import { VerdictView } from "../../parts/VerdictView";
import { useLine, useLinked } from "../../shell/line";
import { words } from "../../words";
import { isOpen, type RunDetail, type RunView, useRun } from "./queries";
import { RunProgress } from "./Training";

const t = words.training;
type Epoch = Schemas["EpochView"];

export function Run() {
  const line = useLine();
  const { run: id = "" } = useParams();
  const run = useRun(line.name, id);
  return (
    <Screen title={t.run(id.slice(-8))}>
      <Loaded query={run}>{(found) => <Shown key={found.id} found={found} />}</Loaded>
    </Screen>
  );
}

function Shown({ found }: { found: RunDetail }) {
  const line = useLine();
  const linked = useLinked();
  const { live, log, epochs } = useWatched(line.name, found);
  const now: RunDetail = { ...found, ...live };
  return (
    <Stack>
      <Group justify="space-between">
        <Group gap="xs">
          <StateBadge state={now.state} />
          {now.serving && <StateBadge state="live" label={t.serving} />}
          <Text>
            {t.methods[now.method]} {now.note && `· ${now.note}`}
          </Text>
        </Group>
        <Group gap="xs">
          {isOpen(now) && <Cancel run={now} />}
          {now.bundle && (
            <Button size="xs" component={Link} to={linked(`/models/${now.bundle.hash}`)}>
              {t.toModel}
            </Button>
          )}
        </Group>
      </Group>
      {isOpen(now) && (
        <Card>
          <RunProgress run={now} />
        </Card>
      )}
      {now.error && <Failed error={new Error(now.error)} title={words.common.states.failed} />}
      <SimpleGrid cols={{ base: 1, md: 2 }}>
        {now.verdict ? (
          <Card title={t.verdict}>
            <VerdictView verdict={now.verdict as unknown as Verdict} />
          </Card>
        ) : (
          <Card title={t.log}>
            <Log lines={log} empty={t.noLog} />
          </Card>
        )}
        <Card title={t.data}>
          <About run={now} />
        </Card>
      </SimpleGrid>
      {(epochs.length > 0 || now.method === "finetune") && (
        <Card title={t.curves}>
          <Curves epochs={epochs} />
        </Card>
      )}
      {!isOpen(now) && <Outcome run={now} log={log} />}
    </Stack>
  );
}

/** The run, its log and its epochs as they come. */
function useWatched(line: string, found: RunDetail) {
  const queries = useQueryClient();
  const [live, setLive] = useState<Partial<RunView>>({});
  const [log, setLog] = useState<LogLine[]>([]);
  const [epochs, setEpochs] = useState<Epoch[]>(found.epochs);
  useEvents(`/api/v1/lines/${encodeURIComponent(line)}/runs/${found.id}/events`, {
    run: (now: RunView) => setLive(now),
    log: (row: LogLine) => setLog((rows) => withLine(rows, row)),
    epoch: (row: Epoch) =>
      setEpochs((rows) => (rows.some((one) => one.number === row.number) ? rows : [...rows, row])),
    end: (now: RunView) => {
      setLive(now);
      for (const key of ["run", "runs", "models", "lines"])
        void queries.invalidateQueries({ queryKey: [key] });
    },
  });
  return { live, log, epochs };
}

function Cancel({ run }: { run: RunView }) {
  const line = useLine();
  const may = useMay();
  const queries = useQueryClient();
  const cancel = useMutation({
    mutationFn: () =>
      answer(
        api.POST("/api/v1/lines/{line}/runs/{run_id}/cancel", {
          params: { path: { line: line.name, run_id: run.id } },
        }),
      ),
    onSuccess: () => queries.invalidateQueries({ queryKey: ["run", line.name, run.id] }),
    onError: failed,
  });
  if (!may("train")) return null;
  return (
    <Button
      size="xs"
      variant="default"
      loading={cancel.isPending || run.cancelling}
      onClick={() =>
        confirm({
          title: t.cancelTitle,
          detail: t.cancelDetail,
          yes: t.cancel,
          danger: true,
          go: () => cancel.mutate(),
        })
      }
    >
      {t.cancel}
    </Button>
  );
}

function About({ run }: { run: RunDetail }) {
  const parts = (name: string) => {
    const counts = run.data[name] as Record<string, number> | undefined;
    if (!counts) return "–";
    return Object.entries(counts)
      .map(([part, n]) => `${count(n)} ${part}`)
      .join(", ");
  };
  return (
    <Facts
      rows={[
        [t.version, run.version === null ? "–" : String(run.version)],
        [t.pictures, parts("pictures")],
        [t.remembered, parts("remembered")],
        [t.candidate, run.bundle ? `${run.bundle.name} ${short(run.bundle.hash)}` : "–"],
        [t.took, duration(between(run.started_at, run.finished_at))],
        [t.made, moment(run.created_at)],
        [t.who, run.who],
        [t.attempt, String(run.attempt)],
      ]}
    />
  );
}

function Curves({ epochs }: { epochs: Epoch[] }) {
  if (epochs.length === 0) return <Text c="dimmed">{t.noCurves}</Text>;
  const rows = [...epochs]
    .sort((a, b) => a.number - b.number)
    .map((one) => ({ epoch: one.number, ...(one.figures as Record<string, number | null>) }));
  return (
    <SimpleGrid cols={{ base: 1, md: 2 }}>
      <LineChart
        h={240}
        data={rows}
        dataKey="epoch"
        withLegend
        curveType="linear"
        series={[
          { name: "train_loss", label: t.trainLoss, color: "brand.6" },
          { name: "validation_loss", label: t.validationLoss, color: "yellow.7" },
        ]}
      />
      <LineChart
        h={240}
        data={rows}
        dataKey="epoch"
        withLegend
        curveType="linear"
        series={[{ name: "validation_accuracy", label: t.accuracy, color: "green.7" }]}
        yAxisProps={{ domain: [0, 1] }}
      />
    </SimpleGrid>
  );
}

function Outcome({ run, log }: { run: RunDetail; log: LogLine[] }) {
  const report = run.artefacts["report.html"];
  return (
    <Tabs defaultValue={run.comparison ? "comparison" : report ? "report" : "log"} keepMounted={false}>
      <Tabs.List mb="md">
        {run.comparison && <Tabs.Tab value="comparison">{t.comparison}</Tabs.Tab>}
        {report && <Tabs.Tab value="report">{t.report}</Tabs.Tab>}
        <Tabs.Tab value="files">{t.files}</Tabs.Tab>
        <Tabs.Tab value="log">{t.log}</Tabs.Tab>
      </Tabs.List>
      {run.comparison && (
        <Tabs.Panel value="comparison">
          <ComparisonView
            comparison={run.comparison as unknown as Comparison}
            before={run.live?.name ?? "–"}
            after={run.bundle?.name ?? t.candidate}
          />
        </Tabs.Panel>
      )}
      {report && (
        <Tabs.Panel value="report">
          <Stack gap="xs">
            <Anchor href={report.url} target="_blank" rel="noreferrer" size="sm">
              {t.openReport}
            </Anchor>
            {/* It has no script and no origin of ours: its own policy says so. */}
            <iframe className="sl-report" src={report.url} title={t.report} sandbox="" />
          </Stack>
        </Tabs.Panel>
      )}
      <Tabs.Panel value="files">
        <Facts
          rows={Object.entries(run.artefacts).map(([name, file]) => [
            name,
            <Anchor key={name} href={file.url} download={name} size="sm">
              {bytes(file.bytes)}
            </Anchor>,
          ])}
        />
      </Tabs.Panel>
      <Tabs.Panel value="log">
        <Log lines={log} empty={t.noLog} />
      </Tabs.Panel>
    </Tabs>
  );
}
