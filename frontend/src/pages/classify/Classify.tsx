/** Photos in by drop, paste, choice or camera; class and verdict out. */

import { Alert, Badge, Button, Chip, Group, Progress, Stack, Text, Title } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { IconCamera, IconPhotoPlus } from "@tabler/icons-react";
import { useEffect, useMemo, useRef, useState } from "react";
import { Link } from "react-router";
import { percent } from "../../parts/format";
import { Screen } from "../../parts/Screen";
import { type Line, useLine, useLinked } from "../../shell/line";
import { words } from "../../words";
import { Camera } from "./Camera";
import { photosOf } from "./intake";
import { ResultCard } from "./ResultCard";
import { type Photo, useClassifying } from "./useClassifying";
import { useTips } from "./useTips";

const t = words.classify;
type Show = keyof typeof t.filters;

export function Classify() {
  const line = useLine();
  const { photos, add, retry, remove, stop, clear } = useClassifying();
  const [show, setShow] = useState<Show>("all");
  const tips = useTips(line.name);
  const take = (files: File[]) => {
    if (files.length === 0 || !line.model) return;
    setShow("all");
    add(files, line);
  };
  const over = useWindowDrop(take);
  const hasPhotos = photos.length > 0;
  return (
    <Screen title={t.title} lead={hasPhotos ? undefined : t.lead}>
      {!line.model && <NoModel line={line} />}
      <Intake slim={hasPhotos} over={over} onFiles={take} disabled={!line.model} />
      {!hasPhotos && line.classes.length > 0 && <Knows classes={line.classes} />}
      {hasPhotos && (
        <section aria-label={t.results}>
          <Toolbar photos={photos} show={show} setShow={setShow} onClear={clear} onStop={stop} />
          <div className="sl-results">
            {photos
              .filter((photo) => show === "all" || kindOf(photo) === show)
              .map((photo) => (
                <ResultCard
                  key={photo.id}
                  photo={photo}
                  tip={photo.answer && tips[photo.answer.class]}
                  onRemove={remove}
                  onRetry={retry}
                />
              ))}
          </div>
        </section>
      )}
      <Spoken photos={photos} />
    </Screen>
  );
}

function kindOf(photo: Photo): Show | null {
  if (photo.state === "failed") return "failed";
  return photo.state === "done" && photo.answer ? photo.answer.verdict : null;
}

function NoModel({ line }: { line: Line }) {
  const linked = useLinked();
  return (
    <Alert color="yellow" role="alert">
      <Group justify="space-between">
        <Text size="sm">{line.problem ?? t.noModel(line.title || line.name)}</Text>
        <Button size="xs" component={Link} to={linked("/training")}>
          {t.toTraining}
        </Button>
      </Group>
    </Alert>
  );
}

function Intake(props: {
  slim: boolean;
  over: boolean;
  disabled: boolean;
  onFiles: (files: File[]) => void;
}) {
  const input = useRef<HTMLInputElement>(null);
  const [camera, dialog] = useDisclosure();
  const touch = useMemo(() => matchMedia("(hover: none) and (pointer: coarse)").matches, []);
  return (
    <Stack gap="xs">
      <button
        type="button"
        id="drop"
        className="sl-drop"
        data-slim={props.slim || undefined}
        data-over={props.over || undefined}
        disabled={props.disabled}
        onClick={() => input.current?.click()}
      >
        <IconPhotoPlus size={props.slim ? 30 : 54} stroke={1.4} color="var(--sl-brand)" aria-hidden />
        <span>
          <Text span fw={650} size={props.slim ? "md" : "lg"} display="block">
            {touch ? t.dropTouch : t.drop}
          </Text>
          <Text span size="sm" c="dimmed" display="block">
            {t.hint}
          </Text>
        </span>
      </button>
      <input
        ref={input}
        type="file"
        id="files"
        multiple
        hidden
        accept="image/*,.heic,.heif,.tif,.tiff"
        onChange={(event) => {
          props.onFiles([...(event.target.files ?? [])]);
          event.target.value = ""; // so that the same file can be chosen again
        }}
      />
      <Group justify={props.slim ? "flex-start" : "center"}>
        <Button
          variant="default"
          size="xs"
          leftSection={<IconCamera size={17} aria-hidden />}
          onClick={dialog.open}
          disabled={props.disabled}
        >
          {t.camera}
        </Button>
      </Group>
      {camera && <Camera onPhoto={(file) => props.onFiles([file])} onClose={dialog.close} />}
    </Stack>
  );
}

function Knows({ classes }: { classes: string[] }) {
  return (
    <Stack align="center" gap="xs">
      <Text size="sm" c="dimmed">
        {t.knows(classes.length)}
      </Text>
      <Group justify="center" gap={6} component="ul" p={0} m={0} id="classes" style={{ listStyle: "none" }}>
        {classes.map((name) => (
          <li key={name}>
            <Badge variant="default" tt="none" fw={500}>
              {name}
            </Badge>
          </li>
        ))}
      </Group>
    </Stack>
  );
}

function Toolbar(props: {
  photos: Photo[];
  show: Show;
  setShow: (show: Show) => void;
  onClear: () => void;
  onStop: (ids: number[]) => void;
}) {
  const { photos } = props;
  const n = { all: photos.length, accept: 0, review: 0, failed: 0 };
  for (const photo of photos) {
    const kind = kindOf(photo);
    if (kind) n[kind] += 1;
  }
  const open = photos.filter((photo) => photo.state === "waiting" || photo.state === "working");
  const done = photos.length - open.length;
  return (
    <Stack gap="xs" mb="md">
      <Group justify="space-between" gap="sm">
        <Title order={2} size="h4" className="sl-digits">
          {open.length > 0 ? t.progress(done, photos.length) : t.photos(photos.length)}
        </Title>
        <Chip.Group value={props.show} onChange={(value) => props.setShow(value as Show)}>
          <Group gap={6} role="group" aria-label={t.show}>
            {(Object.keys(t.filters) as Show[])
              .filter((kind) => kind !== "failed" || n.failed > 0 || props.show === "failed")
              .map((kind) => (
                <Chip key={kind} value={kind} size="xs" variant="outline">
                  {t.filters[kind]} {n[kind]}
                </Chip>
              ))}
          </Group>
        </Chip.Group>
        <Group gap="xs">
          {open.length > 0 && (
            <Button
              size="compact-sm"
              variant="default"
              onClick={() => props.onStop(open.map((one) => one.id))}
            >
              {t.stop}
            </Button>
          )}
          <Button size="compact-sm" variant="subtle" onClick={props.onClear}>
            {t.clear}
          </Button>
        </Group>
      </Group>
      {open.length > 0 && (
        <Progress value={(100 * done) / photos.length} aria-label={t.progress(done, photos.length)} />
      )}
    </Stack>
  );
}

/** The latest answer in one sentence, for screen readers. */
function Spoken({ photos }: { photos: Photo[] }) {
  const [said, say] = useState("");
  const told = useRef(new Set<number>());
  useEffect(() => {
    for (const photo of photos) {
      if (photo.state !== "done" || !photo.answer || told.current.has(photo.id)) continue;
      told.current.add(photo.id);
      const { answer } = photo;
      const verdict = answer.verdict === "accept" ? t.accept : t.review(answer.reason ?? "");
      say(t.spoken(photo.file.name, answer.class, percent(answer.confidence), verdict));
    }
  }, [photos]);
  return (
    <p className="sl-spoken" aria-live="polite">
      {said}
    </p>
  );
}

/** The whole window takes drops and pastes: a photo let go beside the zone must not replace the page. */
function useWindowDrop(onFiles: (files: File[]) => void): boolean {
  const [over, setOver] = useState(false);
  const latest = useRef(onFiles);
  latest.current = onFiles;
  useEffect(() => {
    const cancel = new AbortController();
    const listen = { signal: cancel.signal };
    const isFiles = (event: DragEvent) => event.dataTransfer?.types.includes("Files") ?? false;
    document.addEventListener(
      "dragover",
      (event) => {
        if (!isFiles(event)) return;
        event.preventDefault();
        setOver(true);
      },
      listen,
    );
    document.addEventListener("dragleave", (event) => setOver(event.relatedTarget !== null), listen);
    document.addEventListener(
      "drop",
      async (event) => {
        event.preventDefault();
        setOver(false);
        if (event.dataTransfer) latest.current(await photosOf(event.dataTransfer));
      },
      listen,
    );
    document.addEventListener(
      "paste",
      async (event) => {
        if (event.clipboardData?.files.length) latest.current(await photosOf(event.clipboardData));
      },
      listen,
    );
    return () => cancel.abort();
  }, []);
  return over;
}
