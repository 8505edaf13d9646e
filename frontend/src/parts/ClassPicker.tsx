/** A class of the line, chosen by typing; a new one can be made where that is allowed. */

import { Select } from "@mantine/core";
import { useState } from "react";

export interface Chosen {
  name: string;
  isNew: boolean;
}

const NEW = "\u0000new";

export function ClassPicker(props: {
  classes: string[];
  label: string;
  value: Chosen | null;
  onChange: (chosen: Chosen | null) => void;
  /** What the entry that makes a class of what was typed says; none: only known ones. */
  offerNew?: (typed: string) => string;
  hideLabel?: boolean;
  autoFocus?: boolean;
  placeholder?: string;
  clearable?: boolean;
}) {
  const [typed, setTyped] = useState("");
  const known = props.classes.some((name) => name.toLowerCase() === typed.trim().toLowerCase());
  const data = props.classes.map((name) => ({ value: name, label: name }));
  if (props.value?.isNew) data.push({ value: props.value.name, label: props.value.name });
  if (props.offerNew && typed.trim() && !known && props.value?.name !== typed.trim()) {
    data.push({ value: NEW + typed.trim(), label: props.offerNew(typed.trim()) });
  }
  return (
    <Select
      {...(props.hideLabel ? { "aria-label": props.label } : { label: props.label })}
      data={data}
      value={props.value?.name ?? null}
      onChange={(value) => {
        if (!value) props.onChange(null);
        else if (value.startsWith(NEW)) props.onChange({ name: value.slice(NEW.length), isNew: true });
        else
          props.onChange({ name: value, isNew: props.value?.isNew === true && props.value.name === value });
      }}
      searchable
      clearable={props.clearable}
      searchValue={typed}
      onSearchChange={setTyped}
      placeholder={props.placeholder}
      data-autofocus={props.autoFocus || undefined}
      nothingFoundMessage="–"
      filter={({ options, search }) =>
        options.filter(
          (option) =>
            !("value" in option) ||
            option.value.startsWith(NEW) ||
            option.label.toLowerCase().includes(search.trim().toLowerCase()),
        )
      }
    />
  );
}
