/** Runs: started here, watched, and looked back on. */

import { BarChart, DonutChart } from "@mantine/charts";
import "@mantine/charts/styles.css";
import { Button, Collapse, Group, SimpleGrid, Stack, Table, Text } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { IconPlayerPlay } from "@tabler/icons-react";
import { Link } from "react-router";
import { useMay } from "../../api/session";
import { Card, Doing, Rows, StateBadge } from "../../parts/Cards";
import { between, duration, moment, sentence, short } from "../../parts/format";
import { Screen } from "../../parts/Screen";
import { Empty, Loaded } from "../../parts/States";
import { useLine, useLinked } from "../../shell/line";
import { words } from "../../words";
import { isOpen, type RunView, useRuns } from "./queries";
import { StartForm } from "./StartForm";

const t = words.training;

export function Training() {
  const line = useLine();
  const may = useMay();
  const runs = useRuns(line.name);
  const [asking, form] = useDisclosure();
  return (
    <Screen
      title={t.title}
      lead={t.lead}
      actions={
        may("train") && (
          <Button
            leftSection={<IconPlayerPlay size={17} aria-hidden />}
            onClick={form.toggle}
            aria-expanded={asking}
          >
            {t.start}
          </Button>
        )
      }
    >
      <Collapse expanded={asking}>{asking && <StartForm onStarted={form.close} />}</Collapse>
      <Loaded
        query={runs}
        empty={(found) => found.length === 0}
        whenEmpty={!asking && <Empty title={t.noRuns} detail={t.noRunsDetail} />}
      >
        {(found) => (
          <>
            {found.filter(isOpen).map((run) => (
              <Running key={run.id} run={run} />
            ))}
            <Overview runs={found} />
            <History runs={found} />
          </>
        )}
      </Loaded>
    </Screen>
  );
}

function Running({ run }: { run: RunView }) {
  const linked = useLinked();
  return (
    <Card
      title={`${t.methods[run.method]} ${run.note}`}
      actions={
        <Button size="xs" variant="default" component={Link} to={linked(`/training/${run.id}`)}>
          {t.log}
        </Button>
      }
    >
      <RunProgress run={run} />
    </Card>
  );
}

export function RunProgress({ run }: { run: RunView }) {
  const { progress } = run;
  if (run.state === "queued") return <Doing phase={t.waiting} />;
  const phase = String(progress.phase ?? "");
  const notes = [
    progress.epochs ? t.epoch(Number(progress.epoch), Number(progress.epochs)) : null,
    progress.images_per_second ? t.speed(Number(progress.images_per_second)) : null,
    progress.eta_s ? t.left(duration(Number(progress.eta_s))) : null,
  ].filter(Boolean);
  return (
    <Doing
      phase={run.cancelling ? t.cancelling : (t.phases[phase] ?? phase)}
      done={progress.done as number | undefined}
      total={progress.total as number | undefined}
      note={notes.join(" · ")}
    />
  );
}

function Overview({ runs }: { runs: RunView[] }) {
  const states: Record<string, number> = {};
  for (const run of runs) states[run.state] = (states[run.state] ?? 0) + 1;
  const colours: Record<string, string> = {
    succeeded: "green.7",
    failed: "red.7",
    cancelled: "yellow.6",
    running: "brand.6",
    queued: "gray.5",
  };
  const last = runs.slice(0, 30).reverse();
  const seconds = last.map((run) => between(run.started_at, run.finished_at) ?? 0);
  // Probes take seconds, fine-tunes minutes or hours: one unit that fits the longest.
  const [unit, length] = Math.max(...seconds) < 120 ? ["s", 1] : ["min", 60];
  const took = last.map((run, at) => ({
    when: moment(run.created_at),
    took: Number(((seconds[at] ?? 0) / length).toFixed(1)),
  }));
  return (
    <SimpleGrid cols={{ base: 1, md: 2 }}>
      <Card title={t.outcomes}>
        <Group justify="center" gap="xl">
          <DonutChart
            size={140}
            thickness={22}
            withTooltip={false}
            data={Object.entries(states).map(([state, n]) => ({
              name: words.common.states[state] ?? state,
              value: n,
              color: colours[state] ?? "gray.5",
            }))}
          />
          <Stack gap={4}>
            {Object.entries(states).map(([state, n]) => (
              <Group key={state} gap="xs">
                <StateBadge state={state} /> <Text size="sm">{n}</Text>
              </Group>
            ))}
          </Stack>
        </Group>
      </Card>
      <Card title={t.timeline}>
        <BarChart
          h={170}
          data={took}
          dataKey="when"
          unit={` ${unit}`}
          maxBarWidth={48}
          series={[{ name: "took", label: t.took, color: "brand.6" }]}
        />
      </Card>
    </SimpleGrid>
  );
}

function History({ runs }: { runs: RunView[] }) {
  const linked = useLinked();
  return (
    <Card title={t.history}>
      <Rows
        label={t.history}
        minWidth={760}
        head={[
          words.common.when,
          t.method,
          words.common.state,
          t.candidate,
          t.verdict,
          t.took,
          words.common.who,
        ]}
      >
        {runs.map((run) => (
          <Table.Tr key={run.id}>
            <Table.Td>
              <Link to={linked(`/training/${run.id}`)}>{moment(run.created_at)}</Link>
            </Table.Td>
            <Table.Td>{t.methods[run.method]}</Table.Td>
            <Table.Td>
              <Group gap={4}>
                <StateBadge state={run.state} />
                {run.serving && <StateBadge state="live" label={t.serving} />}
              </Group>
            </Table.Td>
            <Table.Td>{run.bundle ? `${run.bundle.name} ${short(run.bundle.hash)}` : "–"}</Table.Td>
            <Table.Td maw={280}>
              <Text size="sm" lineClamp={2}>
                {run.verdict ? sentence(String(run.verdict.text)) : (run.error ?? "–")}
              </Text>
            </Table.Td>
            <Table.Td>{duration(between(run.started_at, run.finished_at))}</Table.Td>
            <Table.Td>{run.who}</Table.Td>
          </Table.Tr>
        ))}
      </Rows>
    </Card>
  );
}
