/** People with their roles and passwords. */

import { Button, Group, Modal, PasswordInput, Select, Stack, Table, TextInput } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { answer, api, type Schemas } from "../../api/client";
import { useSession } from "../../api/session";
import { Card, Rows } from "../../parts/Cards";
import { confirm } from "../../parts/confirm";
import { ago, moment } from "../../parts/format";
import { Empty, Failed, Loaded } from "../../parts/States";
import { failed, said, undoable } from "../../parts/toasts";
import { words } from "../../words";

const t = words.settings.people;
type Role = Schemas["Role"];
const ROLES = Object.entries(t.roles).map(([value, label]) => ({ value, label }));

export function PeopleList() {
  const { data: session } = useSession();
  const queries = useQueryClient();
  const again = () => queries.invalidateQueries({ queryKey: ["people"] });
  const people = useQuery({
    queryKey: ["people"],
    queryFn: async () => (await answer(api.GET("/api/v1/people"))).people,
  });
  const change = useMutation({
    mutationFn: (wanted: { name: string; body: Schemas["PersonChange"] }) =>
      answer(
        api.PATCH("/api/v1/people/{name}", { params: { path: { name: wanted.name } }, body: wanted.body }),
      ),
    onSuccess: again,
    onError: failed,
  });
  const remove = useMutation({
    mutationFn: (name: string) => answer(api.DELETE("/api/v1/people/{name}", { params: { path: { name } } })),
    onSuccess: (_, name) => {
      void again();
      said(t.removed(name));
    },
    onError: failed,
  });
  const [asking, setAsking] = useState<"add" | { name: string } | null>(null);
  const setRole = (name: string, before: Role, role: Role) =>
    change.mutate(
      { name, body: { role } },
      {
        onSuccess: () =>
          undoable(t.roleSet(name, role), () => change.mutate({ name, body: { role: before } })),
      },
    );
  return (
    <Card title={t.people} actions={<Button onClick={() => setAsking("add")}>{t.add}</Button>}>
      <Loaded
        query={people}
        empty={(found) => found.length === 0}
        whenEmpty={<Empty title={t.nobody} detail={t.nobodyDetail} />}
      >
        {(found) => (
          <Rows label={t.people} head={[t.name, t.role, t.seen, t.since, ""]}>
            {found.map((person) => (
              <Table.Tr key={person.name}>
                <Table.Td>{person.name}</Table.Td>
                <Table.Td>
                  <Select
                    aria-label={t.roleOf(person.name)}
                    data={ROLES}
                    value={person.role}
                    onChange={(role) =>
                      role && role !== person.role && setRole(person.name, person.role, role as Role)
                    }
                    allowDeselect={false}
                    size="xs"
                  />
                </Table.Td>
                <Table.Td>{person.seen_at ? ago(person.seen_at) : "–"}</Table.Td>
                <Table.Td>{moment(person.created_at)}</Table.Td>
                <Table.Td>
                  <Group gap="xs" justify="flex-end" wrap="nowrap">
                    <Button
                      size="compact-xs"
                      variant="default"
                      onClick={() => setAsking({ name: person.name })}
                    >
                      {t.setPassword}
                    </Button>
                    <Button
                      size="compact-xs"
                      variant="light"
                      color="red"
                      disabled={person.name === session?.name}
                      onClick={() =>
                        confirm({
                          title: t.removeTitle(person.name),
                          detail: t.removeDetail,
                          yes: t.remove,
                          danger: true,
                          go: () => remove.mutate(person.name),
                        })
                      }
                    >
                      {t.remove}
                    </Button>
                  </Group>
                </Table.Td>
              </Table.Tr>
            ))}
          </Rows>
        )}
      </Loaded>
      {asking === "add" && <AddPerson onClose={() => setAsking(null)} onDone={again} />}
      {asking && asking !== "add" && (
        <SetPassword
          name={asking.name}
          onClose={() => setAsking(null)}
          onSave={(password) => {
            const { name } = asking;
            setAsking(null);
            change.mutate({ name, body: { password } }, { onSuccess: () => said(t.passwordSet(name)) });
          }}
        />
      )}
    </Card>
  );
}

function AddPerson({ onClose, onDone }: { onClose: () => void; onDone: () => void }) {
  const [role, setRole] = useState<string | null>("operator");
  const add = useMutation({
    mutationFn: (form: FormData) =>
      answer(
        api.POST("/api/v1/people", {
          body: {
            name: String(form.get("name")).trim(),
            password: String(form.get("password")),
            role: role as Role,
          },
        }),
      ),
    onSuccess: (person) => {
      onDone();
      said(t.added(person.name));
      onClose();
    },
  });
  return (
    <Modal opened onClose={onClose} title={t.add}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          add.mutate(new FormData(event.currentTarget));
        }}
      >
        <Stack>
          <TextInput name="name" label={t.name} autoComplete="off" required data-autofocus />
          <Select label={t.role} data={ROLES} value={role} onChange={setRole} allowDeselect={false} />
          <Password label={t.password} />
          {add.isError && <Failed error={add.error} />}
          <Button type="submit" loading={add.isPending}>
            {words.common.add}
          </Button>
        </Stack>
      </form>
    </Modal>
  );
}

function SetPassword(props: { name: string; onClose: () => void; onSave: (password: string) => void }) {
  return (
    <Modal opened onClose={props.onClose} title={`${t.setPassword}: ${props.name}`}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          props.onSave(String(new FormData(event.currentTarget).get("password")));
        }}
      >
        <Stack>
          <Password label={t.newPassword} />
          <Button type="submit">{words.common.save}</Button>
        </Stack>
      </form>
    </Modal>
  );
}

function Password({ label }: { label: string }) {
  return (
    <PasswordInput
      name="password"
      label={label}
      description={t.passwordRule}
      autoComplete="new-password"
      minLength={10}
      required
    />
  );
}
