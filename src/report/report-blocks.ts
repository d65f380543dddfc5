// What a report is made of, before it becomes a page or files: sections of tables, figures, pictures and words.

import type { Markup } from './markup.ts';
import type { Picture } from './run-record.ts';
import type { Table } from './table.ts';

/** An svg with its caption. */
export interface Figure {
  /** Name of its file, and its place in the page. */
  readonly id: string;
  readonly caption: string;
  readonly svg: Markup;
  /** The numbers in it, for CSV; null where they lie in the run folder. */
  readonly data: Table | null;
}

export interface CaptionedPicture extends Picture {
  readonly caption: string;
}

/** What many experiments have one of each: named, and closed until somebody opens it where there are too many to read. */
export interface Headed {
  readonly heading: string | null;
  readonly folded: boolean;
}

export type Block =
  | { readonly kind: 'text'; readonly text: string }
  | {
      readonly kind: 'list';
      readonly items: readonly { readonly term: string; readonly text: string; readonly strong?: boolean }[];
    }
  | { readonly kind: 'table'; readonly table: Table }
  /** For programs only: too long for a page. */
  | { readonly kind: 'data'; readonly table: Table }
  | ({ readonly kind: 'figures'; readonly figures: readonly Figure[] } & Headed)
  | ({ readonly kind: 'pictures'; readonly pictures: readonly CaptionedPicture[] } & Headed)
  | { readonly kind: 'code'; readonly lines: readonly string[] }
  /** Closed until somebody opens it. */
  | { readonly kind: 'folded'; readonly heading: string; readonly text: string };

/** Whether what each of so many experiments has is folded away. */
export function foldsAway(experiments: number): boolean {
  return experiments > 4;
}

export interface Section {
  /** Place in the page: small letters and hyphens. */
  readonly id: string;
  readonly title: string;
  /** Never empty. */
  readonly blocks: readonly Block[];
}

export interface Report {
  readonly title: string;
  /** What was run, in a few words each. */
  readonly facts: readonly { readonly term: string; readonly text: string }[];
  /** Sentences that must be read first, such as of runs left out. */
  readonly warnings: readonly string[];
  readonly sections: readonly Section[];
  /** Version of align-fl that made the report. */
  readonly version: string;
}
