/** Which pictures to show, kept in the address. */

import {
  Button,
  Checkbox,
  Group,
  Select,
  type SelectProps,
  TextInput,
  type TextInputProps,
} from "@mantine/core";
import { useLine } from "../../shell/line";
import { words } from "../../words";
import { type Filters, useVersions } from "./queries";

const t = words.data;
const NAMES = ["version", "class", "split", "source", "text", "since", "until", "unlabelled"] as const;
type Name = (typeof NAMES)[number];
type Change = (changes: Partial<Record<Name, string | null>>) => void;

export function FilterBar({ filters, change }: { filters: Filters; change: Change }) {
  const line = useLine();
  const versions = useVersions(line.name);
  const choice = (name: "version" | "class" | "split"): SelectProps => ({
    label: t[name],
    value: filters[name] ?? null,
    onChange: (value) => change({ [name]: value }),
    clearable: true,
    size: "xs",
  });
  const typed = (name: "text" | "source"): TextInputProps => ({
    label: t[name],
    value: filters[name] ?? "",
    onChange: (event) => change({ [name]: event.currentTarget.value }),
    size: "xs",
  });
  const day = (name: "since" | "until"): TextInputProps => ({
    label: t[name],
    type: "date",
    value: filters[name]?.slice(0, 10) ?? "",
    onChange: (event) => change({ [name]: event.currentTarget.value }),
    size: "xs",
  });
  return (
    <Group gap="sm" align="flex-end" role="search" aria-label={t.filters}>
      <Select
        {...choice("version")}
        placeholder={t.now}
        data={(versions.data ?? []).map((one) => ({ value: String(one.number), label: one.name }))}
        searchable
        w={190}
      />
      <Select
        {...choice("class")}
        placeholder={t.anyClass}
        data={line.classes}
        searchable
        disabled={filters.unlabelled}
        w={170}
      />
      <Select
        {...choice("split")}
        placeholder={t.anySplit}
        data={Object.entries(t.splits).map(([value, label]) => ({ value, label }))}
        w={120}
      />
      <TextInput {...typed("text")} w={150} />
      <TextInput {...typed("source")} w={120} />
      <TextInput {...day("since")} />
      <TextInput {...day("until")} />
      <Checkbox
        label={t.unlabelled}
        checked={filters.unlabelled ?? false}
        disabled={!!filters.class || !!filters.version}
        onChange={(event) => change({ unlabelled: event.currentTarget.checked ? "true" : null })}
        size="xs"
        pb={6}
      />
      {Object.keys(filters).length > 0 && (
        <Button size="xs" variant="subtle" onClick={() => change(NOTHING)}>
          {t.clear}
        </Button>
      )}
    </Group>
  );
}

/** The filters that an address holds. */
export function read(search: URLSearchParams): Filters {
  const found: Record<string, string | boolean> = {};
  for (const name of NAMES) {
    const value = search.get(name);
    if (value)
      found[name] =
        name === "unlabelled" ? true : name === "since" || name === "until" ? `${value}T00:00:00Z` : value;
  }
  return found as Filters;
}

const NOTHING = Object.fromEntries(NAMES.map((name) => [name, null]));
