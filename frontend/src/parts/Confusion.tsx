/** A confusion matrix: rows are the truth, columns the answers; the darker, the larger a cell's share of its row. */

import { ScrollArea } from "@mantine/core";
import { words } from "../words";

const t = words.models;

export function Confusion(props: {
  classes: string[];
  matrix: number[][];
  elsewhere?: string | null;
  label: string;
}) {
  const width = props.matrix[0]?.length ?? 0;
  const extra = props.elsewhere ? (t.elsewhere[props.elsewhere] ?? props.elsewhere) : null;
  // The last column is empty unless answers may be none of the classes.
  const columns = width > props.classes.length && extra ? [...props.classes, extra] : props.classes;
  return (
    <ScrollArea type="auto" viewportProps={{ tabIndex: 0, "aria-label": props.label }}>
      <table className="sl-confusion" aria-label={props.label}>
        <thead>
          <tr>
            <td style={{ border: 0, fontSize: 11 }}>{t.truth}</td>
            {columns.map((name) => (
              <th key={name} scope="col">
                {name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {props.classes.map((name, row) => {
            const cells = props.matrix[row] ?? [];
            const total = cells.reduce((sum, n) => sum + n, 0);
            return (
              <tr key={name}>
                <th scope="row">{name}</th>
                {columns.map((other, column) => (
                  <Cell key={other} n={cells[column] ?? 0} total={total} right={row === column} />
                ))}
              </tr>
            );
          })}
        </tbody>
      </table>
    </ScrollArea>
  );
}

function Cell({ n, total, right }: { n: number; total: number; right: boolean }) {
  const share = total ? n / total : 0;
  const colour = right ? "var(--sl-accept)" : "var(--sl-review)";
  // At most so strong that the text on it can be read in either scheme.
  const strength = Math.round(Math.min(1, right ? share : share * 2.5) * 38);
  const background = n ? `color-mix(in srgb, ${colour} ${strength}%, transparent)` : undefined;
  return <td style={{ background }}>{n || ""}</td>;
}
