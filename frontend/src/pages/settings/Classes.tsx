/** The registry of classes: added, renamed, retired, merged; never deleted. */

import {
  ActionIcon,
  Button,
  Group,
  Menu,
  Modal,
  Select,
  Stack,
  Table,
  Text,
  Textarea,
  TextInput,
} from "@mantine/core";
import { IconDots } from "@tabler/icons-react";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { answer, api, type Schemas } from "../../api/client";
import { useMay } from "../../api/session";
import { Card, Rows, StateBadge } from "../../parts/Cards";
import { count } from "../../parts/format";
import { Loaded } from "../../parts/States";
import { failed, said, undoable } from "../../parts/toasts";
import { useLine } from "../../shell/line";
import { words } from "../../words";
import { useClasses } from "../classify/useTips";

const t = words.settings.classes;
type Class = NonNullable<ReturnType<typeof useClasses>["data"]>[number];
type Asking = { what: "rename" | "merge" | "tip"; of: Class } | null;

export function Classes() {
  const line = useLine();
  const may = useMay();
  const classes = useClasses(line.name);
  const { add, change, merge } = useChanges();
  const [name, setName] = useState("");
  const [asking, setAsking] = useState<Asking>(null);
  const retire = (one: Class, retired: boolean) =>
    change.mutate(
      { name: one.name, body: { retired } },
      {
        onSuccess: () =>
          undoable(retired ? t.retiredDone(one.name) : t.restoredDone(one.name), () =>
            change.mutate({ name: one.name, body: { retired: !retired } }),
          ),
      },
    );
  return (
    <Card title={t.title}>
      <Stack>
        {may("admin") && (
          <form
            onSubmit={(event) => {
              event.preventDefault();
              add.mutate(name.trim(), { onSuccess: () => setName("") });
            }}
          >
            <Group align="flex-end">
              <TextInput
                label={t.newName}
                value={name}
                onChange={(event) => setName(event.currentTarget.value)}
                required
              />
              <Button type="submit" loading={add.isPending}>
                {t.add}
              </Button>
            </Group>
          </form>
        )}
        <Loaded
          query={classes}
          empty={(found) => found.length === 0}
          whenEmpty={<Text c="dimmed">{t.none}</Text>}
        >
          {(found) => (
            <Rows label={t.title} head={[t.name, t.pictures, t.tip, t.state, ""]}>
              {found.map((one) => (
                <Table.Tr key={one.name}>
                  <Table.Td>
                    {one.name}
                    {one.aliases.length > 0 && (
                      <Text size="xs" c="dimmed">
                        {t.aliases(one.aliases.join(", "))}
                      </Text>
                    )}
                  </Table.Td>
                  <Table.Td>{count(one.pictures.total)}</Table.Td>
                  <Table.Td maw={260}>
                    <Text size="sm" lineClamp={2}>
                      {one.tip || "–"}
                    </Text>
                  </Table.Td>
                  <Table.Td>
                    <StateBadge
                      state={one.retired || one.merged_into ? "queued" : "ready"}
                      label={
                        one.merged_into ? t.mergedInto(one.merged_into) : one.retired ? t.retired : t.inUse
                      }
                    />
                  </Table.Td>
                  <Table.Td>
                    {may("admin") && (
                      <Menu position="bottom-end">
                        <Menu.Target>
                          <ActionIcon variant="subtle" color="gray" aria-label={t.edit(one.name)}>
                            <IconDots size={18} aria-hidden />
                          </ActionIcon>
                        </Menu.Target>
                        <Menu.Dropdown>
                          <Menu.Item onClick={() => setAsking({ what: "tip", of: one })}>{t.tip}</Menu.Item>
                          <Menu.Item onClick={() => setAsking({ what: "rename", of: one })}>
                            {t.rename}
                          </Menu.Item>
                          <Menu.Item onClick={() => setAsking({ what: "merge", of: one })}>
                            {t.merge}
                          </Menu.Item>
                          <Menu.Item onClick={() => retire(one, !one.retired)}>
                            {one.retired ? t.restore : t.retire}
                          </Menu.Item>
                        </Menu.Dropdown>
                      </Menu>
                    )}
                  </Table.Td>
                </Table.Tr>
              ))}
            </Rows>
          )}
        </Loaded>
      </Stack>
      {asking && (
        <Ask
          asking={asking}
          others={(classes.data ?? [])
            .filter((one) => one.name !== asking.of.name && !one.retired)
            .map((one) => one.name)}
          onClose={() => setAsking(null)}
          onSave={(value) => {
            const { what, of } = asking;
            setAsking(null);
            if (what === "merge") merge.mutate({ name: of.name, into: value });
            else if (what === "rename") {
              change.mutate(
                { name: of.name, body: { name: value } },
                { onSuccess: () => said(t.renamedDone(value)) },
              );
            } else
              change.mutate(
                { name: of.name, body: { tip: value } },
                { onSuccess: () => said(words.common.saved) },
              );
          }}
        />
      )}
    </Card>
  );
}

function useChanges() {
  const line = useLine();
  const queries = useQueryClient();
  const again = () => {
    for (const key of ["classes", "lines", "pictures"]) void queries.invalidateQueries({ queryKey: [key] });
  };
  const path = (name: string) => ({ path: { line: line.name, name } });
  const add = useMutation({
    mutationFn: (name: string) =>
      answer(
        api.POST("/api/v1/lines/{line}/classes", { params: { path: { line: line.name } }, body: { name } }),
      ),
    onSuccess: again,
    onError: failed,
  });
  const change = useMutation({
    mutationFn: (wanted: { name: string; body: Schemas["ClassChange"] }) =>
      answer(
        api.PATCH("/api/v1/lines/{line}/classes/{name}", { params: path(wanted.name), body: wanted.body }),
      ),
    onSuccess: again,
    onError: failed,
  });
  const merge = useMutation({
    mutationFn: (wanted: { name: string; into: string }) =>
      answer(
        api.POST("/api/v1/lines/{line}/classes/{name}/merge", {
          params: path(wanted.name),
          body: { into: wanted.into },
        }),
      ),
    onSuccess: ({ relabelled }) => {
      again();
      said(t.merged(relabelled));
    },
    onError: failed,
  });
  return { add, change, merge };
}

function Ask(props: {
  asking: NonNullable<Asking>;
  others: string[];
  onClose: () => void;
  onSave: (value: string) => void;
}) {
  const { what, of } = props.asking;
  const [value, setValue] = useState(what === "rename" ? of.name : what === "tip" ? (of.tip ?? "") : "");
  return (
    <Modal opened onClose={props.onClose} title={`${t[what]}: ${of.name}`}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          props.onSave(value.trim());
        }}
      >
        <Stack>
          {what === "rename" && (
            <TextInput
              label={t.renameTo}
              value={value}
              onChange={(event) => setValue(event.currentTarget.value)}
              required
              data-autofocus
            />
          )}
          {what === "tip" && (
            <Textarea
              label={t.tip}
              description={t.tipHint}
              value={value}
              onChange={(event) => setValue(event.currentTarget.value)}
              maxLength={500}
              autosize
              minRows={2}
              data-autofocus
            />
          )}
          {what === "merge" && (
            <>
              <Text size="sm">{t.mergeDetail(of.name)}</Text>
              <Select
                label={t.mergeInto}
                data={props.others}
                value={value || null}
                onChange={(name) => setValue(name ?? "")}
                searchable
                required
              />
            </>
          )}
          <Button
            type="submit"
            color={what === "merge" ? "red" : undefined}
            disabled={what !== "tip" && !value.trim()}
          >
            {what === "merge" ? t.merge : words.common.save}
          </Button>
        </Stack>
      </form>
    </Modal>
  );
}
