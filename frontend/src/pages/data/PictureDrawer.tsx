/** One picture: what it is, who said so, what looks like it. */

import { Anchor, Button, Drawer, Group, SimpleGrid, Stack, Text, Timeline } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { answer, api } from "../../api/client";
import { useMay } from "../../api/session";
import { Facts } from "../../parts/Cards";
import { ClassPicker } from "../../parts/ClassPicker";
import { confirm } from "../../parts/confirm";
import { bytes, moment } from "../../parts/format";
import { Loaded } from "../../parts/States";
import { failed, said, undoable } from "../../parts/toasts";
import { useLine } from "../../shell/line";
import { words } from "../../words";
import { type Picture, type Shown, shown } from "./queries";
import { PictureTile } from "./Tile";

const t = words.data;

export function PictureDrawer(props: {
  sha256: string;
  onClose: () => void;
  onOpen: (sha256: string) => void;
}) {
  const line = useLine();
  const path = { line: line.name, sha256: props.sha256 };
  const may = useMay();
  const queries = useQueryClient();
  const picture = useQuery({
    queryKey: ["picture", line.name, props.sha256],
    queryFn: () => answer(api.GET("/api/v1/lines/{line}/images/{sha256}", { params: { path } })),
  });
  const changed = (now: Picture) => {
    void queries.invalidateQueries({ queryKey: ["picture", line.name, props.sha256] });
    void queries.invalidateQueries({ queryKey: ["staged"] });
    void queries.invalidateQueries({ queryKey: ["classes"] });
    putInLists(queries, line.name, now);
  };
  const undo = useMutation({
    mutationFn: () =>
      answer(api.POST("/api/v1/lines/{line}/images/{sha256}/label/undo", { params: { path }, body: {} })),
    onSuccess: changed,
    onError: failed,
  });
  const label = useMutation({
    mutationFn: (name: string | null) =>
      answer(
        api.PUT("/api/v1/lines/{line}/images/{sha256}/label", { params: { path }, body: { class: name } }),
      ),
    onSuccess: (now, name) => {
      changed(now);
      undoable(name ? t.labelled(name) : t.labelTaken, () => undo.mutate());
    },
    onError: failed,
  });
  const erase = useMutation({
    mutationFn: () => answer(api.DELETE("/api/v1/lines/{line}/images/{sha256}", { params: { path } })),
    onSuccess: () => {
      said(t.erasedDone);
      void queries.invalidateQueries({ queryKey: ["pictures", line.name] });
      props.onClose();
    },
    onError: failed,
  });
  return (
    <Drawer opened onClose={props.onClose} position="right" size="lg" title={picture.data?.name ?? t.picture}>
      <Loaded query={picture}>
        {(found) => (
          <Stack>
            {found.urls && (
              <img
                className="sl-picture"
                src={found.urls.file}
                alt={found.name ?? t.picture}
                style={{ maxHeight: 420 }}
              />
            )}
            {may("review") && found.urls && (
              <ClassPicker
                classes={line.classes}
                label={t.label}
                value={found.class ? { name: found.class, isNew: false } : null}
                onChange={(chosen) => label.mutate(chosen?.name ?? null)}
                placeholder={t.noLabel}
                clearable
              />
            )}
            <Facts
              rows={[
                [t.facts.split, `${t.splits[found.split]}${found.why ? ` (${found.why})` : ""}`],
                [t.facts.source, found.source],
                [t.facts.added, moment(found.added_at)],
                [t.facts.size, `${found.width} × ${found.height}, ${bytes(found.bytes)}`],
                [t.facts.brightness, found.brightness.toFixed(0)],
                [t.facts.sharpness, found.sharpness.toFixed(0)],
                [
                  t.facts.hash,
                  <span key="hash" className="sl-mono">
                    {found.sha256}
                  </span>,
                ],
              ]}
            />
            <History events={found.history} />
            {found.near_duplicates.length > 0 && (
              <div>
                <Text fw={600} mb="xs">
                  {t.near}
                </Text>
                <SimpleGrid cols={4} spacing={4}>
                  {found.near_duplicates.map((one) => (
                    <PictureTile key={one.sha256} picture={one} onOpen={props.onOpen} />
                  ))}
                </SimpleGrid>
              </div>
            )}
            <Group>
              {found.urls && (
                <Anchor href={found.urls.file} target="_blank" rel="noreferrer">
                  {t.download}
                </Anchor>
              )}
              {may("admin") && found.urls && (
                <Button
                  variant="light"
                  color="red"
                  size="xs"
                  loading={erase.isPending}
                  onClick={() =>
                    confirm({
                      title: t.eraseTitle,
                      detail: t.eraseDetail,
                      yes: t.erase,
                      danger: true,
                      go: () => erase.mutate(),
                    })
                  }
                >
                  {t.erase}
                </Button>
              )}
            </Group>
          </Stack>
        )}
      </Loaded>
    </Drawer>
  );
}

function History({
  events,
}: {
  events: { id: string; class: string | null; origin: string; who: string; at: string }[];
}) {
  if (events.length === 0) return null;
  return (
    <div>
      <Text fw={600} mb="xs">
        {t.history}
      </Text>
      <Timeline bulletSize={14} lineWidth={2} active={events.length}>
        {events.map((event) => (
          <Timeline.Item key={event.id} title={event.class ?? t.noLabel}>
            <Text size="xs" c="dimmed">
              {t.origins[event.origin] ?? event.origin}, {event.who}, {moment(event.at)}
            </Text>
          </Timeline.Item>
        ))}
      </Timeline>
    </div>
  );
}

type Pages = { pages: { images: Shown[]; next_cursor: string | null }[]; pageParams: unknown[] };

/** The changed picture in every list that is loaded, without asking for them again. */
function putInLists(queries: ReturnType<typeof useQueryClient>, line: string, now: Picture): void {
  queries.setQueriesData<Pages>({ queryKey: ["pictures", line] }, (lists) =>
    lists
      ? {
          ...lists,
          pages: lists.pages.map((page) => ({
            ...page,
            images: page.images.map((one) => (one.sha256 === now.sha256 ? shown(now) : one)),
          })),
        }
      : lists,
  );
}
