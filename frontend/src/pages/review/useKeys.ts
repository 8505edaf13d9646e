/** Keys for the whole page, but not while someone types or a dialog is open. */

import { useEffect, useRef } from "react";

export function useKeys(handle: (key: string, event: KeyboardEvent) => boolean): void {
  const latest = useRef(handle);
  latest.current = handle;
  useEffect(() => {
    const listen = (event: KeyboardEvent) => {
      if (event.altKey || event.metaKey) return;
      const target = event.target as HTMLElement;
      if (
        target.closest(
          "input, textarea, select, [contenteditable], [role=dialog], [role=menu], [role=listbox]",
        )
      )
        return;
      // A focused button keeps Enter and Space to itself.
      if (
        target.closest("button, a") &&
        !target.closest("[data-tile]") &&
        (event.key === "Enter" || event.key === " ")
      )
        return;
      if (latest.current(event.key.length === 1 ? event.key.toLowerCase() : event.key, event))
        event.preventDefault();
    };
    document.addEventListener("keydown", listen);
    return () => document.removeEventListener("keydown", listen);
  }, []);
}
