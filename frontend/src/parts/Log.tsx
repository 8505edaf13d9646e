/** Lines of a log as they come; the newest is in sight. */

import { Text } from "@mantine/core";
import { useEffect, useRef } from "react";
import { words } from "../words";
import { moment } from "./format";

export interface LogLine {
  number: number;
  at: string;
  text: string;
}

export function Log({ lines, empty }: { lines: LogLine[]; empty: string }) {
  const box = useRef<HTMLPreElement>(null);
  // biome-ignore lint/correctness/useExhaustiveDependencies: a new line is what scrolls it
  useEffect(() => {
    if (box.current) box.current.scrollTop = box.current.scrollHeight;
  }, [lines.length]);
  if (lines.length === 0) return <Text c="dimmed">{empty}</Text>;
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls is reached by the keyboard
    <pre className="sl-log" ref={box} tabIndex={0} role="log" aria-label={words.training.log}>
      {lines.map((one) => `${moment(one.at)}  ${one.text}\n`)}
    </pre>
  );
}

/** With the line, unless it is there already: a stream that breaks begins anew. */
export function withLine(lines: LogLine[], line: LogLine): LogLine[] {
  return lines.some((one) => one.number === line.number) ? lines : [...lines, line];
}
