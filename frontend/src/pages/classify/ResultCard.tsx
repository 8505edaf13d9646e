/** One photo and what was said about it. */

import {
  ActionIcon,
  Alert,
  Badge,
  Button,
  Code,
  Collapse,
  Group,
  Loader,
  Paper,
  Stack,
  Text,
  Title,
} from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { IconCheck, IconExclamationMark, IconX } from "@tabler/icons-react";
import { memo, useEffect, useRef, useState } from "react";
import { ms, percent, short } from "../../parts/format";
import { words } from "../../words";
import { Correction } from "./Correction";
import { curlLine } from "./command";
import { drawHeat, drawPreview } from "./picture";
import type { Photo, Prediction } from "./useClassifying";

const t = words.classify;
const TOP_CLASSES = 5;

interface Props {
  photo: Photo;
  tip?: string;
  onRemove: (id: number) => void;
  onRetry: (photo: Photo) => void;
}

export const ResultCard = memo(function ResultCard({ photo, tip, onRemove, onRetry }: Props) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const [blind, setBlind] = useState(false);
  const [looking, look] = useDisclosure();
  useEffect(() => {
    let isGone = false;
    if (canvas.current) drawPreview(canvas.current, photo.file).then((drawn) => !isGone && setBlind(!drawn));
    return () => {
      isGone = true;
    };
  }, [photo.file]);
  const state = photo.answer && photo.state === "done" ? photo.answer.verdict : photo.state;
  return (
    <Paper component="article" withBorder radius="lg" className="sl-card sl-result" data-state={state}>
      <div className="sl-result-picture">
        <canvas ref={canvas} role="img" aria-label={photo.file.name} hidden={blind} />
        {blind && (
          <Text size="sm" c="dimmed">
            {t.noPreview}
          </Text>
        )}
        {looking && photo.answer?.explanation && canvas.current && (
          <Heat explanation={photo.answer.explanation} photo={canvas.current} />
        )}
        <ActionIcon
          className="sl-corner"
          variant="default"
          radius="xl"
          size="lg"
          onClick={() => onRemove(photo.id)}
          aria-label={t.removeFile(photo.file.name)}
        >
          <IconX size={16} aria-hidden />
        </ActionIcon>
      </div>
      <Stack gap="sm" p="md">
        <Text size="sm" c="dimmed" truncate title={photo.file.name} className="file">
          {photo.file.name}
        </Text>
        <Progressing photo={photo} />
        {photo.state === "done" && photo.answer && (
          <Answer answer={photo.answer} tip={tip}>
            {!blind && (
              <Button size="xs" variant="default" onClick={look.toggle} aria-pressed={looking}>
                {looking ? t.unlook : t.look}
              </Button>
            )}
            {looking && !photo.answer.explanation && <Text size="sm">{t.cannotLook}</Text>}
            <Correction photo={photo} answer={photo.answer} />
          </Answer>
        )}
        {photo.state === "failed" && photo.problem && (
          <Alert color="red" title={t.notClassified} className="problem">
            <Stack gap="xs" align="flex-start">
              <Text size="sm" style={{ overflowWrap: "anywhere" }}>
                {photo.problem.message}
              </Text>
              {isWorthRetrying(photo.problem.status) && (
                <Button size="xs" variant="default" onClick={() => onRetry(photo)}>
                  {t.retry}
                </Button>
              )}
            </Stack>
          </Alert>
        )}
        {photo.state === "done" && <Command photo={photo} />}
      </Stack>
    </Paper>
  );
});

// What is wrong with the picture itself stays wrong.
function isWorthRetrying(status: number): boolean {
  return status < 400 || status >= 500 || status === 408 || status === 429;
}

function Progressing({ photo }: { photo: Photo }) {
  if (photo.state === "done" || photo.state === "failed") return null;
  const say = photo.pause ? t.busy(photo.pause) : photo.state === "working" ? t.working : t.waiting;
  return (
    <Group gap="sm" mih={40}>
      {photo.state === "working" && <Loader size="sm" aria-hidden />}
      <Text size="sm" c="dimmed">
        {photo.state === "stopped" ? t.stopped : say}
      </Text>
    </Group>
  );
}

function Answer({ answer, tip, children }: { answer: Prediction; tip?: string; children: React.ReactNode }) {
  const accepted = answer.verdict === "accept";
  return (
    <Stack gap="sm">
      <Badge
        size="lg"
        variant="light"
        tt="none"
        color={accepted ? "green" : "yellow"}
        leftSection={
          accepted ? <IconCheck size={15} aria-hidden /> : <IconExclamationMark size={15} aria-hidden />
        }
        className="verdict"
      >
        {accepted ? t.accept : t.review(answer.reason ?? "")}
      </Badge>
      <Group justify="space-between" align="baseline" wrap="nowrap">
        <Title order={3} size="h3" className="class" style={{ overflowWrap: "anywhere" }}>
          {answer.class}
        </Title>
        <Text fw={600} c="dimmed" size="lg" className="confidence sl-digits" title={t.calibrated}>
          {percent(answer.confidence)}
        </Text>
      </Group>
      {!accepted && (
        <Text size="sm" c="yellow">
          {t.reasons[answer.reason ?? ""] ?? t.someReason}
        </Text>
      )}
      <Bars answer={answer} />
      {tip && (
        <Alert color="brand" title={t.tip} className="tip">
          {tip}
        </Alert>
      )}
      <Group gap="xs">{children}</Group>
      <Group gap="md" fz="xs" c="dimmed" className="sl-digits">
        <span>{ms(answer.latency_ms)}</span>
        <span title={t.model(answer.model.name, answer.model.hash)}>
          {answer.model.name} {short(answer.model.hash)}
        </span>
        <span title={t.unusualNote}>
          {t.unusual} {percent(answer.ood_score)}
        </span>
      </Group>
    </Stack>
  );
}

function Bars({ answer }: { answer: Prediction }) {
  const [opened, rest] = useDisclosure();
  const classes = Object.entries(answer.probabilities);
  const others = classes.slice(TOP_CLASSES);
  return (
    <>
      <ul className="sl-bars top" data-verdict={answer.verdict} aria-label={t.likely}>
        {classes.slice(0, TOP_CLASSES).map((one) => (
          <Bar key={one[0]} one={one} />
        ))}
      </ul>
      {others.length > 0 && (
        <div>
          <Button size="compact-xs" variant="subtle" onClick={rest.toggle} aria-expanded={opened}>
            {t.moreClasses(others.length)}
          </Button>
          <Collapse expanded={opened}>
            <ul className="sl-bars" aria-label={t.others}>
              {others.map((one) => (
                <Bar key={one[0]} one={one} />
              ))}
            </ul>
          </Collapse>
        </div>
      )}
    </>
  );
}

function Bar({ one: [name, probability] }: { one: [string, number] }) {
  return (
    <li>
      <span className="sl-bars-name" title={name}>
        {name}
      </span>
      <span className="sl-track" aria-hidden>
        <span className="sl-fill" style={{ width: `${probability * 100}%` }} />
      </span>
      <Text span size="sm" c="dimmed" ta="right" className="sl-digits">
        {percent(probability)}
      </Text>
    </li>
  );
}

function Heat(props: { explanation: NonNullable<Prediction["explanation"]>; photo: HTMLCanvasElement }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  useEffect(() => {
    if (canvas.current) void drawHeat(canvas.current, props.explanation, props.photo);
  }, [props.explanation, props.photo]);
  return <canvas ref={canvas} className="sl-heat" aria-hidden />;
}

function Command({ photo }: { photo: Photo }) {
  const command = curlLine(photo.line, photo.file.name, window.location.origin);
  const [copied, setCopied] = useState(false);
  const code = useRef<HTMLElement>(null);
  async function copy() {
    try {
      await navigator.clipboard.writeText(command);
      setCopied(true);
      setTimeout(() => setCopied(false), 1600);
    } catch {
      // The clipboard exists on HTTPS and loopback only; elsewhere the text is selected for the person to copy.
      if (code.current) getSelection()?.selectAllChildren(code.current);
    }
  }
  return (
    <Group gap="xs" wrap="nowrap" className="command">
      <Code ref={code} style={{ flex: 1, overflowWrap: "anywhere" }}>
        {command}
      </Code>
      <Button size="compact-xs" variant="default" onClick={copy} aria-label={t.copyCommand}>
        {copied ? words.common.copied : words.common.copy}
      </Button>
    </Group>
  );
}
