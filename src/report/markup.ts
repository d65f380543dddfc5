// Text that becomes part of an HTML page or an SVG file: every value is escaped, unless it is markup already.

/** Text that was made by `markup` and may stand in a page as it is. */
export interface Markup {
  readonly markup: string;
}

export type MarkupValue = string | number | Markup | null | readonly MarkupValue[];

/** A template whose values are escaped; markup stays as it is, lists are joined, null is nothing. */
export function markup(parts: TemplateStringsArray, ...values: readonly MarkupValue[]): Markup {
  return { markup: parts.reduce((text, part, i) => text + inserted(values[i - 1] ?? null) + part) };
}

/** `text` for the content of an element or a quoted attribute, in HTML and in XML. */
export function escapeText(text: string): string {
  return text.replace(UNWANTED, '\ufffd').replace(/[&<>"']/g, (character) => ENTITIES[character] as string);
}

/** Markup from a constant of this program. Never from a file. */
export function trusted(constant: string): Markup {
  return { markup: constant };
}

// --- internal ---

/** What XML does not allow, halves of characters, and what would turn the direction of the text around it. */
const UNWANTED = /(?![\t\n\r])\p{Cc}|\p{Cs}|[\ufffe\uffff\u202a-\u202e\u2066-\u2069]/gu;

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

function inserted(value: MarkupValue): string {
  if (value === null) return '';
  if (typeof value === 'string') return escapeText(value);
  if (typeof value === 'number') return String(value);
  return 'markup' in value ? value.markup : value.map(inserted).join('');
}
