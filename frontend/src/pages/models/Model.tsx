/** One model: its figures, its evidence, and making it live. */

import {
  Alert,
  Anchor,
  Button,
  Code,
  Group,
  Modal,
  SimpleGrid,
  Stack,
  Table,
  Text,
  Textarea,
} from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { Link, useParams } from "react-router";
import { answer, api, type Schemas } from "../../api/client";
import { useMay } from "../../api/session";
import { Card, Facts, Figure, Rows, StateBadge } from "../../parts/Cards";
import type { Verdict } from "../../parts/comparison";
import { count, moment, percent, short } from "../../parts/format";
import { Screen } from "../../parts/Screen";
import { Failed, Loaded } from "../../parts/States";
import { failed, said } from "../../parts/toasts";
import { VerdictView } from "../../parts/VerdictView";
import { useLine, useLinked } from "../../shell/line";
import { words } from "../../words";
import { type RunView, useRuns } from "../training/queries";
import { OwnConfusion } from "./OwnConfusion";
import { metricsOf, useModel } from "./queries";

const t = words.models;
type Detail = Schemas["ModelDetail"];

export function Model() {
  const line = useLine();
  const { model = "" } = useParams();
  const found = useModel(line.name, model);
  return (
    <Screen title={found.data?.name ?? t.model}>
      <Loaded query={found}>{(one) => <Shown model={one} />}</Loaded>
    </Screen>
  );
}

function Shown({ model }: { model: Detail }) {
  const line = useLine();
  const linked = useLinked();
  const may = useMay();
  const runs = useRuns(line.name);
  const run = runs.data?.find((one) => one.bundle?.hash === model.hash);
  const metrics = metricsOf(model);
  return (
    <Stack>
      <Group justify="space-between">
        <Group gap="xs">
          <StateBadge state={model.state} label={t.states[model.state]} />
          <Text className="sl-mono" c="dimmed">
            {short(model.hash)}
          </Text>
        </Group>
        <Group gap="xs">
          {may("train") && <Actions model={model} run={run} />}
          {may("review") && (
            <Button
              size="xs"
              variant="default"
              component="a"
              href={`/api/v1/lines/${encodeURIComponent(line.name)}/models/${model.hash}/download`}
              download
            >
              {t.download}
            </Button>
          )}
        </Group>
      </Group>
      {model.problem && <Failed error={new Error(model.problem)} />}
      <SimpleGrid cols={{ base: 2, md: 4 }}>
        <Figure
          label={t.accuracy}
          value={percent(metrics.test_accuracy?.value)}
          note={
            metrics.test_accuracy &&
            t.interval(percent(metrics.test_accuracy.low), percent(metrics.test_accuracy.high))
          }
        />
        <Figure label={t.macroF1} value={percent(metrics.test_macro_f1)} />
        <Figure label={t.ece} value={percent(metrics.test_ece)} />
        <Figure label={t.error80} value={percent(metrics.test_accepted_error_80)} />
      </SimpleGrid>
      {run?.verdict && (
        <Card
          title={t.evidence}
          actions={
            <Button size="xs" variant="default" component={Link} to={linked(`/training/${run.id}`)}>
              {t.toRun}
            </Button>
          }
        >
          <VerdictView verdict={run.verdict as unknown as Verdict} />
        </Card>
      )}
      <SimpleGrid cols={{ base: 1, lg: 2 }}>
        <Card title={t.confusion}>
          <OwnConfusion model={model} />
        </Card>
        <Card title={t.model}>
          <Facts
            rows={[
              [
                t.facts.hash,
                <span key="hash" className="sl-mono">
                  {model.hash}
                </span>,
              ],
              [
                t.facts.backbone,
                <span key="backbone" className="sl-mono">
                  {model.backbone ?? "–"}
                </span>,
              ],
              [t.facts.dataset, model.dataset?.version ?? "–"],
              [t.facts.offered, model.offered_by ? `${model.offered_by}, ${moment(model.offered_at)}` : "–"],
              [
                t.facts.licences,
                Object.entries(model.licences ?? {})
                  .map(([what, licence]) => `${what}: ${licence}`)
                  .join("; ") || "–",
              ],
              [t.classes, model.classes.join(", ")],
              [
                t.facts.recipe,
                model.recipe ? (
                  <Code key="recipe" block mah={180} tabIndex={0}>
                    {JSON.stringify(model.recipe, null, 1)}
                  </Code>
                ) : (
                  "–"
                ),
              ],
            ]}
          />
        </Card>
      </SimpleGrid>
      {model.shadowed.map((seen) => (
        <Shadowed key={seen.live} seen={seen} />
      ))}
    </Stack>
  );
}

function Shadowed({ seen }: { seen: Schemas["SeenView"] }) {
  return (
    <Card title={t.shadowed}>
      <Text size="sm">
        {t.seen(seen.pictures, percent(seen.pictures ? seen.agreed / seen.pictures : null))}
        {seen.dropped > 0 ? `; ${t.dropped(seen.dropped)}` : ""}
      </Text>
      {seen.disagreements.length > 0 && (
        <Rows label={t.disagreements} head={[t.liveSaidColumn, t.shadowSaid, t.times]} minWidth={320}>
          {seen.disagreements.map((one) => (
            <Table.Tr key={`${one.live} ${one.shadow}`}>
              <Table.Td>{one.live}</Table.Td>
              <Table.Td>{one.shadow}</Table.Td>
              <Table.Td>{count(one.n)}</Table.Td>
            </Table.Tr>
          ))}
        </Rows>
      )}
    </Card>
  );
}

function Actions({ model, run }: { model: Detail; run?: RunView }) {
  const line = useLine();
  const path = { line: line.name, model: model.hash };
  const again = useAgain();
  const [asking, dialog] = useDisclosure();
  const [back, rollback] = useDisclosure();
  const shadow = useMutation({
    mutationFn: (on: boolean) =>
      answer(api.POST("/api/v1/lines/{line}/models/{model}/shadow", { params: { path }, body: { on } })),
    onSuccess: (_, on) => {
      again();
      said(on ? t.shadowOn(model.name) : t.shadowOff);
    },
    onError: failed,
  });
  if (model.state === "live") return null;
  return (
    <>
      <Button size="xs" onClick={dialog.open}>
        {t.promote}
      </Button>
      {model.state === "previous" && (
        <Button size="xs" variant="default" onClick={rollback.open}>
          {t.rollback}
        </Button>
      )}
      <Button
        size="xs"
        variant="default"
        loading={shadow.isPending}
        onClick={() => shadow.mutate(model.state !== "shadow")}
      >
        {model.state === "shadow" ? t.unshadow : t.shadow}
      </Button>
      {asking && <Promote model={model} run={run} onClose={dialog.close} />}
      {back && <RollBack model={model} onClose={rollback.close} />}
    </>
  );
}

function useAgain(): () => void {
  const queries = useQueryClient();
  return () => {
    for (const key of ["models", "ledger", "lines", "runs", "run"])
      void queries.invalidateQueries({ queryKey: [key] });
  };
}

function Promote({ model, run, onClose }: { model: Detail; run?: RunView; onClose: () => void }) {
  const line = useLine();
  const again = useAgain();
  const [reason, setReason] = useState("");
  const speaks = run?.promote === true;
  const promote = useMutation({
    mutationFn: () =>
      answer(
        api.POST("/api/v1/lines/{line}/models/{model}/promote", {
          params: { path: { line: line.name, model: model.hash } },
          body: { run: run?.id ?? null, force: !speaks, reason },
        }),
      ),
    onSuccess: () => {
      again();
      said(t.promoted(model.name));
      onClose();
    },
  });
  return (
    <Modal opened onClose={onClose} title={t.promoteTitle(`${model.name} ${short(model.hash)}`)} size="lg">
      <Stack>
        {run?.verdict ? <VerdictView verdict={run.verdict as unknown as Verdict} /> : null}
        {!speaks && <Alert color="yellow">{run?.verdict ? t.against : t.noEvidence}</Alert>}
        <Textarea
          label={t.reason}
          value={reason}
          onChange={(event) => setReason(event.currentTarget.value)}
          required={!speaks}
          autosize
          minRows={2}
          data-autofocus
        />
        {promote.isError && <Failed error={promote.error} />}
        <Button
          color={speaks ? undefined : "red"}
          loading={promote.isPending}
          disabled={!speaks && !reason.trim()}
          onClick={() => promote.mutate()}
        >
          {speaks ? t.promote : t.anyway}
        </Button>
      </Stack>
    </Modal>
  );
}

function RollBack({ model, onClose }: { model: Detail; onClose: () => void }) {
  const line = useLine();
  const again = useAgain();
  const [reason, setReason] = useState("");
  const rollback = useMutation({
    mutationFn: () =>
      answer(
        api.POST("/api/v1/lines/{line}/models/{model}/rollback", {
          params: { path: { line: line.name, model: model.hash } },
          body: { reason },
        }),
      ),
    onSuccess: () => {
      again();
      said(t.rolledBack(model.name));
      onClose();
    },
  });
  return (
    <Modal opened onClose={onClose} title={t.rollbackTitle(`${model.name} ${short(model.hash)}`)}>
      <Stack>
        <Text size="sm">{t.rollbackDetail}</Text>
        <Textarea
          label={t.reason}
          value={reason}
          onChange={(event) => setReason(event.currentTarget.value)}
          data-autofocus
        />
        {rollback.isError && <Failed error={rollback.error} />}
        <Group justify="flex-end">
          <Anchor component="button" type="button" onClick={onClose}>
            {words.common.cancel}
          </Anchor>
          <Button loading={rollback.isPending} onClick={() => rollback.mutate()}>
            {t.rollback}
          </Button>
        </Group>
      </Stack>
    </Modal>
  );
}
