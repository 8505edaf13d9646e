// Before the first paint, so that no light page flashes at someone who chose dark. An inline script is what the CSP forbids.
try {
  const chosen = localStorage.getItem("mantine-color-scheme-value") || "auto";
  const dark = chosen === "auto" ? matchMedia("(prefers-color-scheme: dark)").matches : chosen === "dark";
  document.documentElement.setAttribute("data-mantine-color-scheme", dark ? "dark" : "light");
} catch {
  document.documentElement.setAttribute("data-mantine-color-scheme", "light");
}
