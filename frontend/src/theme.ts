/** Colours and shapes. Every text pair reaches 4.5:1 and every control edge 3:1, in both schemes (axe in the tests looks). */

import {
  type CSSVariablesResolver,
  createTheme,
  Drawer,
  type MantineColorsTuple,
  Modal,
  Pagination,
  ScrollArea,
} from "@mantine/core";

const brand: MantineColorsTuple = [
  "#eef1ff",
  "#dde2fb",
  "#b7c1f2",
  "#9db0ff",
  "#6d80e3",
  "#576dde",
  "#4a63dd",
  "#3b53c9",
  "#3046c5",
  "#2538a6",
];
const dark: MantineColorsTuple = [
  "#eef1f7",
  "#ccd3df",
  "#a7b1c2",
  "#717d92",
  "#3a4456",
  "#2a3240",
  "#1d2430",
  "#141922",
  "#0f1219",
  "#080b10",
];

export const theme = createTheme({
  colors: { brand, dark },
  primaryColor: "brand",
  primaryShade: 8,
  autoContrast: true,
  luminanceThreshold: 0.18,
  defaultRadius: "md",
  respectReducedMotion: true,
  fontFamily: 'system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif',
  fontFamilyMonospace: 'ui-monospace, "Cascadia Mono", Menlo, Consolas, monospace',
  headings: { fontWeight: "680" },
  components: {
    // At once: while a dialog fades, it would take the keys of whoever types on.
    Modal: Modal.extend({
      defaultProps: {
        closeButtonProps: { "aria-label": "Close" },
        centered: true,
        transitionProps: { duration: 0 },
      },
    }),
    Drawer: Drawer.extend({ defaultProps: { closeButtonProps: { "aria-label": "Close" } } }),
    Pagination: Pagination.extend({
      defaultProps: { getControlProps: (control) => ({ "aria-label": `${control} page` }) },
    }),
    ScrollArea: ScrollArea.extend({ defaultProps: { viewportProps: { tabIndex: 0 } } }),
  },
});

/** Tints with a text colour that can be read on them: [light tint, light text, dark tint, dark text]. */
const TINTS: Record<string, [string, string, string, string]> = {
  brand: ["#eaedff", "#2538a6", "#222b4d", "#b9c5ff"],
  green: ["#dff5e7", "#14653a", "#143323", "#86e3ae"],
  yellow: ["#fdeecb", "#784800", "#3a2b0c", "#ffd07a"],
  red: ["#fde7e7", "#9c1c22", "#401a1d", "#ffa5a5"],
  gray: ["#eceff4", "#454e5e", "#2a3240", "#ccd3df"],
  grape: ["#f6e8fb", "#77258f", "#391a43", "#e6b3f5"],
};

function tints(light: boolean): Record<string, string> {
  const found: Record<string, string> = {};
  for (const [name, [lightTint, lightText, darkTint, darkText]] of Object.entries(TINTS)) {
    const [tint, text] = light ? [lightTint, lightText] : [darkTint, darkText];
    found[`--mantine-color-${name}-light`] = tint;
    found[`--mantine-color-${name}-light-hover`] = tint;
    found[`--mantine-color-${name}-light-color`] = text;
    found[`--mantine-color-${name}-text`] = text;
    found[`--mantine-color-${name}-outline`] = text;
  }
  return found;
}

export const variables: CSSVariablesResolver = () => ({
  variables: {},
  light: {
    ...tints(true),
    "--mantine-color-dimmed": "#545e70",
    "--mantine-color-placeholder": "#667085",
    "--mantine-color-error": "#9c1c22",
    "--mantine-color-anchor": "#3046c5",
    "--mantine-color-text": "#151a23",
    "--sl-ground": "#f5f6f9",
    "--sl-sunken": "#eef0f5",
    "--sl-hair": "#dfe3eb",
    "--sl-edge": "#818b9c",
    "--sl-accept": "#25894f",
    "--sl-review": "#b97400",
    "--sl-error": "#c92a2a",
    "--sl-brand": "#3046c5",
  },
  dark: {
    ...tints(false),
    "--mantine-color-dimmed": "#a7b1c2",
    "--mantine-color-placeholder": "#8d98ab",
    "--mantine-color-error": "#ffa5a5",
    "--mantine-color-anchor": "#9db0ff",
    "--mantine-color-text": "#eef1f7",
    "--sl-ground": "#0f1219",
    "--sl-sunken": "#222936",
    "--sl-hair": "#2a3240",
    "--sl-edge": "#717d92",
    "--sl-accept": "#3fb873",
    "--sl-review": "#e0a02c",
    "--sl-error": "#ff6b6b",
    "--sl-brand": "#8ea2ff",
  },
});

/** Colours for series in charts, told apart without colour vision as well as ten can be (after Tableau 10, darkened). */
export const SERIES = [
  "#4269d0",
  "#c9760a",
  "#d6455d",
  "#2b9e9e",
  "#3c9a43",
  "#a463c9",
  "#9c6b4e",
  "#8a8f99",
  "#c94f93",
  "#6f8b1d",
];
