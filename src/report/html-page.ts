// The report as one HTML file: no script, no network, nothing beside it. What comes from files is text, never markup.

import { type Markup, markup, trusted } from './markup.ts';
import { PAGE_CSS } from './page-style.ts';
import type { Block, CaptionedPicture, Figure, Headed, Report, Section } from './report-blocks.ts';
import { type Cell, cellText, type Table } from './table.ts';

/** The page. It asks a browser to load nothing at all, from anywhere. */
export function htmlPage({ title, facts, warnings, sections, version }: Report): string {
  const page = markup`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'">
<meta name="generator" content="align-fl ${version}">
<title>${title} – ALIGN-FL report</title>
<style>${trusted(PAGE_CSS)}</style>
</head>
<body>
<header>
<p class="made">ALIGN-FL report, by align-fl ${version}</p>
<h1>${title}</h1>
${warnings.map((warning) => markup`<p class="warning">${warning}</p>`)}
<dl class="facts">${facts.map(({ term, text }) => markup`<div><dt>${term}</dt><dd>${text}</dd></div>`)}</dl>
<nav aria-label="Sections"><ul>${sections.map(({ id, title: name }) => markup`<li><a href="#${id}">${name}</a></li>`)}</ul></nav>
</header>
<main>
${sections.map(sectionMarkup)}
</main>
</body>
</html>
`;
  return page.markup;
}

// --- internal ---

/** Longer than this, a cell's words get room to be read. */
const WIDE_TEXT = 60;

/** Up to this, they stay on one line. */
const SHORT_TEXT = 16;

function sectionMarkup({ id, title, blocks }: Section): Markup {
  return markup`<section id="${id}" aria-labelledby="${id}-heading">
<h2 id="${id}-heading">${title}</h2>
${blocks.map((block) => blockMarkup(block, title))}
</section>
`;
}

function blockMarkup(block: Block, section: string): Markup | null {
  switch (block.kind) {
    case 'text':
      return markup`<p>${block.text}</p>`;
    case 'list':
      return markup`<dl class="list">${block.items.map(
        ({ term, text, strong = false }) =>
          markup`<dt>${term}</dt><dd${trusted(strong ? ' class="strong"' : '')}>${text}</dd>`,
      )}</dl>`;
    case 'table':
      return tableMarkup(block.table, section);
    case 'data':
      return null;
    case 'figures':
      return headed(block, markup`<div class="figures">${block.figures.map(figureMarkup)}</div>`);
    case 'pictures':
      return headed(block, markup`<div class="figures pictures">${block.pictures.map(pictureMarkup)}</div>`);
    case 'code':
      return markup`<pre><code>${block.lines.join('\n')}</code></pre>`;
    case 'folded':
      return markup`<details class="code"><summary>${block.heading}</summary><pre><code>${block.text}</code></pre></details>`;
  }
}

function headed({ heading, folded }: Headed, content: Markup): Markup {
  if (heading === null || !folded) return markup`${headingMarkup(heading)}${content}`;
  return markup`<details><summary>${heading}</summary>${content}</details>`;
}

function headingMarkup(heading: string | null): Markup | null {
  return heading === null ? null : markup`<h3>${heading}</h3>`;
}

function figureMarkup({ svg, caption }: Figure): Markup {
  return markup`<figure>${svg}<figcaption>${caption}</figcaption></figure>`;
}

function pictureMarkup({ base64, width, height, caption }: CaptionedPicture): Markup {
  return markup`<figure><img src="data:image/png;base64,${base64}" width="${width}" height="${height}" alt="${caption}"><figcaption>${caption}</figcaption></figure>`;
}

function tableMarkup({ title, columns, rows, notes }: Table, section: string): Markup {
  const aligned = columns.map(({ align }, c) => {
    const longest = Math.max(0, ...rows.map((row) => cellText(row[c]).length));
    return align === 'right' ? 'n' : c > 0 && longest > WIDE_TEXT ? 'w' : longest <= SHORT_TEXT ? 's' : '';
  });
  const head = columns.map(({ header }, c) => markup`<th scope="col" class="${aligned[c] ?? ''}">${header}</th>`);
  const body = rows.map((row, r) => {
    const cells = columns.map((_, c) => {
      const attributes = markup` class="${aligned[c] ?? ''}"`;
      if (c > 0) return markup`<td${attributes}>${cellMarkup(row[c])}</td>`;
      const span = rowSpan(rows, r);
      if (span === 0) return null;
      const scope = trusted(span === 1 ? ' scope="row"' : ` scope="rowgroup" rowspan="${span}"`);
      return markup`<th${scope}${attributes}>${cellMarkup(row[c])}</th>`;
    });
    return markup`<tr>${cells}</tr>`;
  });
  return markup`${headingMarkup(title === section ? null : title)}
<div class="scroll" role="region" tabindex="0" aria-label="${title}"><table><caption>${title}</caption><thead><tr>${head}</tr></thead>
<tbody>${body}</tbody></table></div>
${notes.length === 0 ? null : markup`<div class="notes">${notes.map((note) => markup`<p>${note}</p>`)}</div>`}`;
}

/** Rows from `at` on whose first cell is the same; 0 where an earlier row spans this one. */
function rowSpan(rows: Table['rows'], at: number): number {
  const text = cellText(rows[at]?.[0]);
  if (at > 0 && cellText(rows[at - 1]?.[0]) === text) return 0;
  const other = rows.findIndex((row, r) => r > at && cellText(row[0]) !== text);
  return (other === -1 ? rows.length : other) - at;
}

function cellMarkup(cell: Cell | undefined): Markup {
  const isStrong = typeof cell === 'object' && cell?.strong === true;
  return isStrong ? markup`<strong class="strong">${cellText(cell)}</strong>` : markup`${cellText(cell)}`;
}
