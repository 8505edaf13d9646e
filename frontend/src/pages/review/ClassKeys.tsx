/** The classes with their keys, and a search that takes the first on Enter. */

import { Stack, TextInput } from "@mantine/core";
import { memo, type RefObject, useState } from "react";
import { words } from "../../words";

const t = words.review;

export const ClassKeys = memo(function ClassKeys(props: {
  classes: string[];
  keys: Map<string, string>;
  guess?: string;
  search: RefObject<HTMLInputElement | null>;
  onChoose: (name: string) => void;
}) {
  const [text, setText] = useState("");
  const keyOf = new Map([...props.keys].map(([key, name]) => [name, key]));
  const shown = props.classes.filter((name) => name.toLowerCase().includes(text.trim().toLowerCase()));
  return (
    <Stack gap="xs">
      <TextInput
        ref={props.search}
        aria-label={t.search}
        placeholder={t.search}
        value={text}
        onChange={(event) => setText(event.currentTarget.value)}
        onKeyDown={(event) => {
          if (event.key === "Enter" && shown[0]) props.onChoose(shown[0]);
          if (event.key === "Enter" || event.key === "Escape") {
            setText("");
            event.currentTarget.blur();
          }
        }}
      />
      <fieldset className="sl-classes" aria-label={t.classes}>
        {shown.map((name) => (
          <button
            type="button"
            key={name}
            className="sl-class"
            data-guess={name === props.guess || undefined}
            title={name}
            onClick={() => props.onChoose(name)}
          >
            {keyOf.has(name) && <kbd>{keyOf.get(name)}</kbd>}
            <span>{name}</span>
          </button>
        ))}
      </fieldset>
    </Stack>
  );
});
