/** Two models beside each other: figures, class by class, confusion, mistakes. */

import { SimpleGrid, Stack, Table, Text } from "@mantine/core";
import { useLine } from "../shell/line";
import { words } from "../words";
import { Card, Figure, Rows } from "./Cards";
import { Confusion } from "./Confusion";
import type { Comparison, Figures, View } from "./comparison";
import { judged } from "./comparison";
import { count, percent, points } from "./format";
import { Empty } from "./States";

const t = words.models;
// Of pictures that only a bundle remembers there is the hash's beginning, and no picture.
const WHOLE_HASH = 64;

export function ComparisonView(props: { comparison: Comparison; before: string; after: string }) {
  const view = judged(props.comparison);
  if (!view) return <Empty title={t.noFigures} />;
  return (
    <Stack>
      <Text size="sm" c="dimmed">
        {view.live ? t.sameFigures(view.images) : t.aloneFigures(view.images)}
      </Text>
      <Headline before={view.live} after={view.candidate} />
      <PerClass view={view} before={props.before} after={props.after} />
      <SimpleGrid cols={{ base: 1, lg: view.live ? 2 : 1 }}>
        {view.live && (
          <Card title={`${t.before}: ${props.before}`}>
            <Confusion
              classes={view.classes}
              matrix={view.live.confusion}
              elsewhere={view.elsewhere}
              label={`${t.confusion} ${props.before}`}
            />
          </Card>
        )}
        <Card title={view.live ? `${t.after}: ${props.after}` : t.confusion}>
          <Confusion
            classes={view.classes}
            matrix={view.candidate.confusion}
            elsewhere={view.elsewhere}
            label={`${t.confusion} ${props.after}`}
          />
        </Card>
      </SimpleGrid>
      <Mistakes mistakes={props.comparison.mistakes} />
    </Stack>
  );
}

function Headline({ before, after }: { before: Figures | null; after: Figures }) {
  const rows: [string, number | null | undefined, number | null | undefined][] = [
    [t.accuracy, before?.accuracy?.value, after.accuracy?.value],
    [t.macroF1, before?.macro_f1, after.macro_f1],
    [t.ece, before?.calibration?.error, after.calibration?.error],
  ];
  return (
    <SimpleGrid cols={{ base: 1, sm: 3 }}>
      {rows.map(([label, was, is]) => (
        <Figure
          key={label}
          label={label}
          value={percent(is)}
          note={
            was === null || was === undefined
              ? undefined
              : `${t.before}: ${percent(was)} (${points((is ?? 0) - was)})`
          }
        />
      ))}
    </SimpleGrid>
  );
}

function PerClass({ view, before, after }: { view: View; before: string; after: string }) {
  return (
    <Card title={t.perClass}>
      <Rows
        label={t.perClass}
        head={[
          t.class,
          t.tested,
          ...(view.live ? [`${t.recall}: ${before}`, `${t.recall}: ${after}`, t.change] : [t.recall]),
        ]}
      >
        {view.changes.map((one) => (
          <Table.Tr key={one.name}>
            <Table.Td>{one.name}</Table.Td>
            <Table.Td>{count(one.support)}</Table.Td>
            {view.live && <Table.Td>{percent(one.live?.recall)}</Table.Td>}
            <Table.Td>{percent(one.candidate?.recall)}</Table.Td>
            {view.live && (
              <Table.Td>
                <Change value={one.recall_change} />
              </Table.Td>
            )}
          </Table.Tr>
        ))}
      </Rows>
    </Card>
  );
}

export function Change({ value }: { value: number | null | undefined }) {
  const colour = !value || Math.abs(value) < 0.0005 ? "dimmed" : value > 0 ? "green" : "red";
  return (
    <Text span c={colour} fw={600} className="sl-digits">
      {points(value)}
    </Text>
  );
}

function Mistakes({ mistakes }: { mistakes: Comparison["mistakes"] }) {
  const line = useLine();
  const pictured = mistakes.filter((one) => one.key.length === WHOLE_HASH);
  const others = mistakes.filter((one) => one.key.length !== WHOLE_HASH);
  return (
    <Card title={t.mistakes}>
      {mistakes.length === 0 && t.noMistakes}
      <div className="sl-grid">
        {pictured.map((one) => (
          <figure key={one.key} style={{ margin: 0 }}>
            <img
              className="sl-thumb"
              src={`/api/v1/lines/${encodeURIComponent(line.name)}/images/${one.key}/thumbnail`}
              alt={t.mistake(one.truth, one.predicted)}
              loading="lazy"
            />
            <figcaption>
              <Text size="xs">{t.mistake(one.truth, one.predicted)}</Text>
              <Text size="xs" c="dimmed">
                {percent(one.confidence)}
                {one.live ? `, ${t.liveSaid(one.live)}` : ""}
              </Text>
            </figcaption>
          </figure>
        ))}
      </div>
      {others.length > 0 && (
        <>
          <Text size="sm" c="dimmed" mt="sm">
            {t.rememberedOnly}
          </Text>
          <Rows label={t.rememberedOnly} head={[t.really, t.taken, t.sure, t.liveSaidColumn]} minWidth={420}>
            {others.map((one) => (
              <Table.Tr key={one.key}>
                <Table.Td>{one.truth}</Table.Td>
                <Table.Td>{one.predicted}</Table.Td>
                <Table.Td>{percent(one.confidence)}</Table.Td>
                <Table.Td>{one.live ?? "–"}</Table.Td>
              </Table.Tr>
            ))}
          </Rows>
        </>
      )}
    </Card>
  );
}
