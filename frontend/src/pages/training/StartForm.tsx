/** A run to start: how, from what, and the recipe with its defaults. */

import {
  Button,
  Collapse,
  Group,
  NumberInput,
  SegmentedControl,
  Select,
  SimpleGrid,
  Stack,
  Switch,
  Text,
  TextInput,
} from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useNavigate } from "react-router";
import { answer, api } from "../../api/client";
import { Card } from "../../parts/Cards";
import { Failed, Loaded } from "../../parts/States";
import { said } from "../../parts/toasts";
import { useLine, useLinked } from "../../shell/line";
import { words } from "../../words";
import { useVersions } from "../data/queries";

const t = words.training;
type Method = "probe" | "finetune";
type Recipe = Record<string, unknown>;

export function StartForm({ onStarted }: { onStarted: () => void }) {
  const line = useLine();
  const linked = useLinked();
  const navigate = useNavigate();
  const queries = useQueryClient();
  const [method, setMethod] = useState<Method>("probe");
  const [version, setVersion] = useState<string | null>(null);
  const [note, setNote] = useState("");
  const [changes, setChanges] = useState<Recipe>({});
  const [opened, recipe] = useDisclosure();
  const versions = useVersions(line.name);
  const start = useMutation({
    mutationFn: () =>
      answer(
        api.POST("/api/v1/lines/{line}/runs", {
          params: { path: { line: line.name } },
          body: { method, note, version, recipe: nested(changes) },
        }),
      ),
    onSuccess: (run) => {
      said(t.started);
      onStarted();
      void queries.invalidateQueries({ queryKey: ["runs"] });
      navigate(linked(`/training/${run.id}`));
    },
  });
  return (
    <Card title={t.start}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          start.mutate();
        }}
      >
        <Stack>
          <Stack gap={4}>
            <SegmentedControl
              aria-label={t.method}
              data={Object.entries(t.methods).map(([value, label]) => ({ value, label }))}
              value={method}
              onChange={(value) => {
                setMethod(value as Method);
                setChanges({});
              }}
              maw={360}
            />
            <Text size="sm" c="dimmed">
              {t.methodNotes[method]}
            </Text>
          </Stack>
          <SimpleGrid cols={{ base: 1, sm: 2 }}>
            <Select
              label={t.version}
              placeholder={t.active}
              data={(versions.data ?? [])
                .filter((one) => one.state === "ready")
                .map((one) => ({
                  value: String(one.number),
                  label: `${one.name} (${words.common.pictures(one.size)})`,
                }))}
              value={version}
              onChange={setVersion}
              clearable
            />
            <TextInput label={t.note} value={note} onChange={(event) => setNote(event.currentTarget.value)} />
          </SimpleGrid>
          <Group>
            <Button variant="subtle" size="xs" onClick={recipe.toggle} aria-expanded={opened}>
              {t.recipe}
            </Button>
            {Object.keys(changes).length > 0 && (
              <Button variant="subtle" size="xs" onClick={() => setChanges({})}>
                {t.reset}
              </Button>
            )}
          </Group>
          <Collapse expanded={opened}>
            {opened && <RecipeFields key={method} method={method} changes={changes} onChange={setChanges} />}
          </Collapse>
          {start.isError && <Failed error={start.error} />}
          <Button type="submit" loading={start.isPending} style={{ alignSelf: "flex-start" }}>
            {t.begin}
          </Button>
        </Stack>
      </form>
    </Card>
  );
}

function RecipeFields(props: { method: Method; changes: Recipe; onChange: (changes: Recipe) => void }) {
  const line = useLine();
  const recipe = useQuery({
    queryKey: ["recipe", line.name, props.method],
    staleTime: Number.POSITIVE_INFINITY,
    queryFn: async () => {
      const found = await answer(
        api.GET("/api/v1/lines/{line}/recipes/{method}", {
          params: { path: { line: line.name, method: props.method }, header: { accept: "application/json" } },
        }),
      );
      return flat((found as { recipe: Recipe }).recipe);
    },
  });
  const set = (name: string, value: unknown, standard: unknown) => {
    const { [name]: _, ...rest } = props.changes;
    props.onChange(JSON.stringify(value) === JSON.stringify(standard) ? rest : { ...rest, [name]: value });
  };
  return (
    <Stack gap="xs">
      <Text size="sm" c="dimmed">
        {t.recipeNote}
      </Text>
      <Loaded query={recipe}>
        {(defaults) => (
          <SimpleGrid cols={{ base: 1, sm: 2, lg: 4 }}>
            {Object.entries(defaults).map(([name, standard]) => (
              <RecipeField
                key={name}
                name={name}
                standard={standard}
                value={name in props.changes ? props.changes[name] : standard}
                onChange={(value) => set(name, value, standard)}
              />
            ))}
          </SimpleGrid>
        )}
      </Loaded>
    </Stack>
  );
}

function RecipeField(props: {
  name: string;
  standard: unknown;
  value: unknown;
  onChange: (value: unknown) => void;
}) {
  const label = props.name.replaceAll("_", " ").replace(".", ": ");
  const changed = JSON.stringify(props.value) !== JSON.stringify(props.standard);
  const description = changed ? t.defaultIs(JSON.stringify(props.standard)) : undefined;
  const [text, setText] = useState(JSON.stringify(props.value));
  const [isBad, setBad] = useState(false);
  if (typeof props.standard === "boolean") {
    return (
      <Switch
        label={label}
        description={description}
        checked={props.value === true}
        onChange={(event) => props.onChange(event.currentTarget.checked)}
      />
    );
  }
  if (typeof props.standard === "number") {
    return (
      <NumberInput
        label={label}
        description={description}
        value={props.value as number}
        onChange={(value) => value !== "" && props.onChange(Number(value))}
        size="xs"
      />
    );
  }
  if (typeof props.standard === "string") {
    return (
      <TextInput
        label={label}
        description={description}
        value={String(props.value)}
        onChange={(event) => props.onChange(event.currentTarget.value)}
        size="xs"
      />
    );
  }
  return (
    <TextInput
      label={label}
      description={description}
      error={isBad && t.notJson}
      value={text}
      size="xs"
      onChange={(event) => {
        setText(event.currentTarget.value);
        try {
          props.onChange(JSON.parse(event.currentTarget.value));
          setBad(false);
        } catch {
          setBad(true);
        }
      }}
    />
  );
}

/** Tables within a recipe as names with a dot, so that each key is a field. */
function flat(recipe: Recipe, before = ""): Recipe {
  return Object.fromEntries(
    Object.entries(recipe).flatMap(([name, value]) =>
      typeof value === "object" && value !== null && !Array.isArray(value) && Object.keys(value).length > 0
        ? Object.entries(flat(value as Recipe, `${before}${name}.`))
        : [[before + name, value]],
    ),
  );
}

function nested(changes: Recipe): Recipe {
  const found: Recipe = {};
  for (const [name, value] of Object.entries(changes)) {
    const [table, key] = name.split(".") as [string, string | undefined];
    if (key === undefined) found[table] = value;
    else found[table] = { ...(found[table] as Recipe | undefined), [key]: value };
  }
  return found;
}
