/** How an import takes pictures. */

import { Checkbox, Select, SimpleGrid, TextInput } from "@mantine/core";
import { words } from "../../words";

const t = words.data;

export interface Options {
  kind: string;
  label: string;
  relabel: boolean;
  crops: boolean;
  new_classes: boolean;
  version: boolean;
  leaks: string;
}

export const DEFAULTS: Options = {
  kind: "auto",
  label: "",
  relabel: false,
  crops: false,
  new_classes: true,
  version: true,
  leaks: "keep",
};

/** As the API takes them: what is left to its defaults is left out. */
export function asked(options: Options) {
  return {
    ...(options.kind !== "auto" && { kind: options.kind as "folder" | "zip" | "coco" }),
    ...(options.label.trim() && { label: options.label.trim() }),
    ...(options.leaks !== "keep" && { leaks: options.leaks as "resplit" | "drop" }),
    relabel: options.relabel,
    crops: options.crops,
    new_classes: options.new_classes,
    version: options.version,
  };
}

export function OptionFields({ value, onChange }: { value: Options; onChange: (options: Options) => void }) {
  const set = (change: Partial<Options>) => onChange({ ...value, ...change });
  return (
    <SimpleGrid cols={{ base: 1, sm: 2, lg: 3 }}>
      <Select
        label={t.kind}
        data={Object.entries(t.kinds_).map(([name, label]) => ({ value: name, label }))}
        value={value.kind}
        onChange={(kind) => set({ kind: kind ?? "auto" })}
        allowDeselect={false}
      />
      <TextInput
        label={t.labelForAll}
        value={value.label}
        onChange={(event) => set({ label: event.currentTarget.value })}
      />
      <Select
        label={t.leaks}
        data={Object.entries(t.leakChoices).map(([name, label]) => ({ value: name, label }))}
        value={value.leaks}
        onChange={(leaks) => set({ leaks: leaks ?? "keep" })}
        allowDeselect={false}
      />
      {(
        [
          ["version", t.makeVersion],
          ["new_classes", t.newClasses],
          ["relabel", t.relabel],
          ["crops", t.crops],
        ] as const
      ).map(([name, label]) => (
        <Checkbox
          key={name}
          label={label}
          checked={value[name]}
          onChange={(event) => set({ [name]: event.currentTarget.checked })}
        />
      ))}
    </SimpleGrid>
  );
}
