/** Every model of the line, best first, and the ledger of what was made live. */

import { Badge, Button, Checkbox, Group, Stack, Table, Tabs, Text } from "@mantine/core";
import { useInfiniteQuery } from "@tanstack/react-query";
import { useState } from "react";
import { Link, useNavigate, useSearchParams } from "react-router";
import { answer, api } from "../../api/client";
import { useMay } from "../../api/session";
import { Card, Rows, StateBadge } from "../../parts/Cards";
import { count, moment, percent, short } from "../../parts/format";
import { Screen } from "../../parts/Screen";
import { Empty, Failed, Loaded, Loading } from "../../parts/States";
import { useLine, useLinked } from "../../shell/line";
import { words } from "../../words";
import { ImportModel } from "./ImportModel";
import { type ModelView, metricsOf, useModels } from "./queries";

const t = words.models;

export function Models() {
  const line = useLine();
  const may = useMay();
  const linked = useLinked();
  const models = useModels(line.name);
  const [search, setSearch] = useSearchParams();
  return (
    <Screen title={t.title} lead={t.lead} actions={may("train") && <ImportModel />}>
      <Tabs
        value={search.get("tab") ?? "board"}
        onChange={(tab) =>
          setSearch((now) => {
            tab === "ledger" ? now.set("tab", tab) : now.delete("tab");
            return now;
          })
        }
        keepMounted={false}
      >
        <Tabs.List mb="md">
          <Tabs.Tab value="board">{t.tabs.board}</Tabs.Tab>
          <Tabs.Tab value="ledger">{t.tabs.ledger}</Tabs.Tab>
        </Tabs.List>
        <Tabs.Panel value="board">
          <Loaded
            query={models}
            empty={(found) => found.models.length === 0}
            whenEmpty={
              <Empty title={t.noModels} detail={t.noModelsDetail}>
                <Button component={Link} to={linked("/training")}>
                  {t.train}
                </Button>
              </Empty>
            }
          >
            {(found) => (
              <Stack>
                {found.problem && <Failed error={new Error(found.problem)} />}
                <Board models={found.models} />
              </Stack>
            )}
          </Loaded>
        </Tabs.Panel>
        <Tabs.Panel value="ledger">
          <Ledger />
        </Tabs.Panel>
      </Tabs>
    </Screen>
  );
}

function Board({ models }: { models: ModelView[] }) {
  const linked = useLinked();
  const navigate = useNavigate();
  const [picked, setPicked] = useState<string[]>([]);
  const ranked = [...models].sort(
    (a, b) => (metricsOf(b).test_accuracy?.value ?? -1) - (metricsOf(a).test_accuracy?.value ?? -1),
  );
  const toggle = (hash: string) =>
    setPicked((now) => (now.includes(hash) ? now.filter((one) => one !== hash) : [...now.slice(-1), hash]));
  return (
    <Card
      title={t.tabs.board}
      actions={
        models.length > 1 && (
          <Button
            size="xs"
            disabled={picked.length !== 2}
            onClick={() => navigate(linked(`/models/compare?a=${picked[0]}&b=${picked[1]}`))}
          >
            {picked.length === 2 ? t.compareTwo : t.pickTwo}
          </Button>
        )
      }
    >
      <Rows
        label={t.tabs.board}
        minWidth={820}
        head={[
          <span key="pick" className="sl-spoken">
            {t.compare}
          </span>,
          t.model,
          words.common.state,
          t.accuracy,
          t.macroF1,
          t.ece,
          t.tested,
          t.dataset,
          t.offered,
        ]}
      >
        {ranked.map((model) => {
          const metrics = metricsOf(model);
          const accuracy = metrics.test_accuracy;
          return (
            <Table.Tr key={model.hash}>
              <Table.Td>
                <Checkbox
                  aria-label={t.pick(`${model.name} ${short(model.hash)}`)}
                  checked={picked.includes(model.hash)}
                  onChange={() => toggle(model.hash)}
                />
              </Table.Td>
              <Table.Td>
                <Link to={linked(`/models/${model.hash}`)}>{model.name}</Link>
                <Text size="xs" c="dimmed" className="sl-mono">
                  {short(model.hash)}
                </Text>
              </Table.Td>
              <Table.Td>
                <Group gap={4}>
                  <StateBadge state={model.state} label={t.states[model.state]} />
                  {model.serving && (
                    <Badge variant="default" tt="none" size="xs">
                      {t.servingHere}
                    </Badge>
                  )}
                </Group>
              </Table.Td>
              <Table.Td title={accuracy && t.interval(percent(accuracy.low), percent(accuracy.high))}>
                {percent(accuracy?.value)}
              </Table.Td>
              <Table.Td>{percent(metrics.test_macro_f1)}</Table.Td>
              <Table.Td>{percent(metrics.test_ece)}</Table.Td>
              <Table.Td>{accuracy ? t.testedN(accuracy.total) : "–"}</Table.Td>
              <Table.Td>
                {model.dataset?.version ?? "–"}
                <Text size="xs" c="dimmed">
                  {count(model.classes.length)} {t.classes.toLowerCase()}
                </Text>
              </Table.Td>
              <Table.Td>{moment(model.offered_at)}</Table.Td>
            </Table.Tr>
          );
        })}
      </Rows>
    </Card>
  );
}

function Ledger() {
  const line = useLine();
  const linked = useLinked();
  const ledger = useInfiniteQuery({
    queryKey: ["ledger", line.name],
    queryFn: ({ pageParam }) =>
      answer(
        api.GET("/api/v1/lines/{line}/promotions", {
          params: { path: { line: line.name }, query: { cursor: pageParam } },
        }),
      ),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (page) => page.next_cursor ?? undefined,
  });
  const entries = ledger.data?.pages.flatMap((page) => page.promotions) ?? [];
  if (ledger.isPending) return <Loading />;
  if (ledger.isError && entries.length === 0)
    return <Failed error={ledger.error} retry={() => ledger.refetch()} />;
  if (entries.length === 0) return <Empty title={t.noLedger} />;
  return (
    <Card title={t.tabs.ledger}>
      <Rows
        label={t.tabs.ledger}
        head={[words.common.when, t.madeLive, t.model, words.common.who, words.common.reason, t.evidence]}
        minWidth={760}
      >
        {entries.map((entry) => (
          <Table.Tr key={entry.id}>
            <Table.Td>{moment(entry.at)}</Table.Td>
            <Table.Td>{t.actions[entry.action]}</Table.Td>
            <Table.Td>
              <Link to={linked(`/models/${entry.model.hash}`)}>{entry.model.name}</Link>{" "}
              <Text span size="xs" c="dimmed" className="sl-mono">
                {short(entry.model.hash)}
              </Text>
            </Table.Td>
            <Table.Td>{entry.who}</Table.Td>
            <Table.Td>{entry.reason || "–"}</Table.Td>
            <Table.Td maw={300}>
              <Text size="sm" lineClamp={2}>
                {evidenceText(entry.evidence)}
              </Text>
            </Table.Td>
          </Table.Tr>
        ))}
      </Rows>
      {ledger.hasNextPage && (
        <Button variant="default" onClick={() => ledger.fetchNextPage()} loading={ledger.isFetchingNextPage}>
          {words.common.more}
        </Button>
      )}
    </Card>
  );
}

function evidenceText(evidence: Record<string, unknown>): string {
  const verdict = evidence.verdict as { text?: string } | undefined;
  return verdict?.text ?? (typeof evidence.text === "string" ? evidence.text : "–");
}
