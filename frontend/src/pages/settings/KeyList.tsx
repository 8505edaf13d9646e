/** API keys: made, shown once, revoked. */

import {
  Alert,
  Button,
  Code,
  CopyButton,
  Group,
  Modal,
  MultiSelect,
  Stack,
  Table,
  Text,
  TextInput,
} from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { answer, api, type Schemas } from "../../api/client";
import type { Scope } from "../../api/session";
import { Card, Rows, StateBadge } from "../../parts/Cards";
import { confirm } from "../../parts/confirm";
import { ago, moment } from "../../parts/format";
import { Empty, Failed, Loaded } from "../../parts/States";
import { failed } from "../../parts/toasts";
import { words } from "../../words";

const t = words.settings.people;

export function KeyList() {
  const queries = useQueryClient();
  const again = () => queries.invalidateQueries({ queryKey: ["keys"] });
  const keys = useQuery({
    queryKey: ["keys"],
    queryFn: async () => (await answer(api.GET("/api/v1/keys"))).keys,
  });
  const [making, setMaking] = useState(false);
  const revoke = useMutation({
    mutationFn: (id: number) =>
      answer(api.DELETE("/api/v1/keys/{key_id}", { params: { path: { key_id: id } } })),
    onSuccess: again,
    onError: failed,
  });
  return (
    <Card title={t.keys} actions={<Button onClick={() => setMaking(true)}>{t.makeKey}</Button>}>
      <Stack>
        <Text size="sm" c="dimmed">
          {t.keysDetail}
        </Text>
        <Loaded query={keys} empty={(found) => found.length === 0} whenEmpty={<Empty title={t.noKeys} />}>
          {(found) => (
            <Rows label={t.keys} head={[t.name, t.scopes, t.expires, t.lastUsed, t.madeBy, ""]}>
              {found.map((key) => (
                <Table.Tr key={key.id}>
                  <Table.Td>
                    {key.name} <Code>{key.start}…</Code>
                  </Table.Td>
                  <Table.Td>{key.scopes.map((scope) => t.scopeNames[scope] ?? scope).join(", ")}</Table.Td>
                  <Table.Td>{key.expires_at ? moment(key.expires_at) : t.never}</Table.Td>
                  <Table.Td>{key.last_used_at ? ago(key.last_used_at) : "–"}</Table.Td>
                  <Table.Td>{key.who}</Table.Td>
                  <Table.Td>
                    {key.revoked_at ? (
                      <StateBadge state="failed" label={t.revoked} />
                    ) : (
                      <Button
                        size="compact-xs"
                        variant="light"
                        color="red"
                        onClick={() =>
                          confirm({
                            title: t.revokeTitle(key.name),
                            detail: t.revokeDetail,
                            yes: t.revoke,
                            danger: true,
                            go: () => revoke.mutate(key.id),
                          })
                        }
                      >
                        {t.revoke}
                      </Button>
                    )}
                  </Table.Td>
                </Table.Tr>
              ))}
            </Rows>
          )}
        </Loaded>
      </Stack>
      {making && <MakeKey onClose={() => setMaking(false)} onDone={again} />}
    </Card>
  );
}

function MakeKey({ onClose, onDone }: { onClose: () => void; onDone: () => void }) {
  const [name, setName] = useState("");
  const [scopes, setScopes] = useState<string[]>(["classify"]);
  const [expires, setExpires] = useState("");
  const make = useMutation({
    mutationFn: () =>
      answer(
        api.POST("/api/v1/keys", {
          body: {
            name: name.trim(),
            scopes: scopes as Scope[],
            expires_at: expires ? `${expires}T00:00:00Z` : null,
          },
        }),
      ),
    onSuccess: onDone,
  });
  if (make.isSuccess) return <Secret made={make.data} onClose={onClose} />;
  return (
    <Modal opened onClose={onClose} title={t.makeKey}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          make.mutate();
        }}
      >
        <Stack>
          <TextInput
            label={t.keyName}
            value={name}
            onChange={(event) => setName(event.currentTarget.value)}
            required
            data-autofocus
          />
          <MultiSelect
            label={t.scopes}
            data={Object.entries(t.scopeNames).map(([value, label]) => ({ value, label }))}
            value={scopes}
            onChange={setScopes}
          />
          <TextInput
            label={`${t.expires} (${t.never.toLowerCase()}: –)`}
            type="date"
            value={expires}
            onChange={(event) => setExpires(event.currentTarget.value)}
          />
          {make.isError && <Failed error={make.error} />}
          <Button type="submit" loading={make.isPending} disabled={scopes.length === 0}>
            {words.common.create}
          </Button>
        </Stack>
      </form>
    </Modal>
  );
}

function Secret({ made, onClose }: { made: Schemas["MadeKey"]; onClose: () => void }) {
  return (
    <Modal opened onClose={onClose} title={t.secretTitle} closeOnClickOutside={false}>
      <Stack>
        <Alert color="yellow">{t.secretDetail}</Alert>
        <Group wrap="nowrap">
          <Code block style={{ flex: 1, overflowWrap: "anywhere", whiteSpace: "normal" }} data-secret>
            {made.secret}
          </Code>
          <CopyButton value={made.secret}>
            {({ copied, copy }) => (
              <Button size="xs" onClick={copy}>
                {copied ? words.common.copied : words.common.copy}
              </Button>
            )}
          </CopyButton>
        </Group>
        <Button variant="default" onClick={onClose}>
          {words.common.close}
        </Button>
      </Stack>
    </Modal>
  );
}
