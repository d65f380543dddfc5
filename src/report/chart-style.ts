// Colours of charts, for light and dark pages, told apart by the colour-blind (after Okabe and Ito 2008); and the
// frame of a figure that is a file of its own.

import { type Markup, markup, trusted } from './markup.ts';

/** Series that have a look of their own: colour, dashes and marks together. */
export const SERIES_LOOKS = 8;

/** Custom properties that the classes of CHART_CSS use, on a light ground. */
export const LIGHT_COLOURS = `--ink:#1c2024;--soft:#5b6570;--grid:#e3e6ea;--ground:#ffffff;
--s0:#0068a8;--s1:#c25400;--s2:#00795a;--s3:#a8488a;--s4:#8a6d00;--s5:#3f8fc4;--s6:#7a4a2b;--s7:#444b54;`;

/** The same on a dark ground. */
export const DARK_COLOURS = `--ink:#e8ebee;--soft:#a3adb8;--grid:#333b44;--ground:#15191e;
--s0:#5db4f0;--s1:#f59a4a;--s2:#3ccaa0;--s3:#e28cc4;--s4:#e3c94a;--s5:#9bd0f5;--s6:#c99a76;--s7:#c3cad2;`;

/** Rules for what the charts draw. */
export const CHART_CSS = `.chart{font-family:system-ui,-apple-system,"Segoe UI",Roboto,"DejaVu Sans",sans-serif;font-size:11px}
.chart text{fill:var(--ink)}.chart .soft{fill:var(--soft)}.chart .grid{stroke:var(--grid);stroke-width:1}
.chart .axis{stroke:var(--soft);stroke-width:1}.chart .reference{stroke-width:1.25;stroke-dasharray:2 3;fill:none}
.chart .line{fill:none;stroke-width:1.75;stroke-linejoin:round}.chart .band{stroke:none;fill-opacity:.16}
.chart .whisker{fill:none;stroke-width:1.25}.chart .dots{fill:none;stroke-width:2.6;stroke-linecap:round;stroke-opacity:.7}
.chart .tag{font-weight:700;font-size:12px;text-anchor:middle;stroke:var(--ground);stroke-width:3.5;paint-order:stroke}
${Array.from({ length: SERIES_LOOKS }, (_, i) => `.chart .c${i}{stroke:var(--s${i})}.chart .f${i}{fill:var(--s${i})}`).join('')}`;

/** A chart as a file of its own, with its colours: light or dark as the viewer is set. */
export function standaloneSvg(svg: Markup): string {
  const style = trusted(
    `:root{${LIGHT_COLOURS}}@media (prefers-color-scheme:dark){:root{${DARK_COLOURS}}}svg{background:var(--ground)}${CHART_CSS}`,
  );
  const open = svg.markup.indexOf('>') + 1; // of the svg element
  return `<?xml version="1.0" encoding="UTF-8"?>
${svg.markup.slice(0, open)}${markup`<style>${style}</style>`.markup}${svg.markup.slice(open)}
`;
}
