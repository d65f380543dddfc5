// From what the user names - a preset, or a YAML or JSON file - to a resolved spec, with overrides on top.

import { existsSync } from 'node:fs';
import { basename, extname } from 'node:path';
import { LineCounter, parseDocument, type Document, isMap, isSeq, isScalar } from 'yaml';
import { SpecError, StateError } from '../errors.ts';
import { readFileBounded } from '../storage/atomic-file.ts';
import { extendSpec } from './extend-spec.ts';
import { didYouMean } from './nearest.ts';
import { applyOverrides, type Override, parseOverride } from './overrides.ts';
import { parseSpec } from './parse-spec.ts';
import { findPreset, presets } from './presets.ts';
import { isRecord } from './schema-walk.ts';
import type { Spec } from './spec.ts';
import { shown, specErrorOf } from './spec-problems.ts';

/** Largest spec file that is read. */
export const MAX_SPEC_BYTES = 1_000_000;

/**
 * The resolved spec of a preset's name or of a `.yaml`, `.yml` or `.json` file, `path=value` overrides applied.
 * A file may say `extends: <preset>`: its objects are then laid over the preset's, its lists and values replace them,
 * and a file without a `name` is called after itself. Throws SpecError with all problems; those of a file have lines.
 */
export async function loadSpec(nameOrFile: string, overrides: readonly string[] = []): Promise<Spec> {
  const changes = overrides.map(parseOverride);
  const { input, source, whereIs } = isFileName(nameOrFile) ? await readSpecFile(nameOrFile) : ofPreset(nameOrFile);
  return parseSpec(applyOverrides(input, changes), {
    source,
    whereIs: (path) => (changes.some((change) => touches(change, path)) ? 'from --set' : whereIs(path)),
  });
}

// --- internal ---

interface RawSpec {
  readonly input: unknown;
  readonly source: string;
  readonly whereIs: (path: readonly PropertyKey[]) => string | null;
}

const EXTENSIONS: readonly string[] = ['.yaml', '.yml', '.json'];
const MAX_ALIASES = 100;

function isFileName(name: string): boolean {
  return EXTENSIONS.includes(extname(name).toLowerCase()) || /[\\/]/.test(name);
}

function ofPreset(name: string): RawSpec {
  const preset = findPreset(name);
  if (preset) return { input: preset.spec, source: `Preset ${name}`, whereIs: () => null };
  const names = presets().map((known) => known.name);
  const file = existsSync(name) ? ` There is a file of that name; a spec file ends in ${EXTENSIONS.join(', ')}.` : '';
  throw new SpecError(
    `There is no preset "${name}"${didYouMean(name, names) || '.'}${file}\n` +
      `Presets are ${names.join(', ')}; or name a spec file that ends in ${EXTENSIONS.join(', ')}.`,
    { path: name, presets: names },
  );
}

async function readSpecFile(file: string): Promise<RawSpec> {
  const lines = new LineCounter();
  const document = parseDocument(await readText(file), { lineCounter: lines, uniqueKeys: true });
  const faults = [...document.errors, ...document.warnings];
  if (faults.length > 0) {
    const messages = faults.slice(0, 10).map(({ message, linePos }) => {
      const place = linePos ? `${file}:${linePos[0].line}:${linePos[0].col}: ` : '';
      return `  ${place}${(message.split('\n')[0] ?? '').replace(/ at line \d+, column \d+:?$/, '')}`;
    });
    const { line = null, col = null } = faults[0]?.linePos?.[0] ?? {};
    throw new SpecError(`${file} is not valid YAML or JSON:\n${messages.join('\n')}`, {
      path: file,
      line,
      column: col,
    });
  }
  const written = toValue(document, file);
  const whereIs = (path: readonly PropertyKey[]) => {
    const offset = offsetOf(document, path);
    if (offset === null) return null;
    const { line, col } = lines.linePos(offset);
    return `${file}:${line}:${col}`;
  };
  if (!isRecord(written)) {
    throw specErrorOf(
      [{ path: [], message: `expected an object with keys such as name, data, silos; got ${shown(written)}` }],
      file,
    );
  }
  const name = written['name'] ?? basename(file, extname(file));
  return { input: extended({ name, ...written }, file, whereIs), source: file, whereIs };
}

async function readText(file: string): Promise<string> {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(await readFileBounded(file, { maxBytes: MAX_SPEC_BYTES }));
  } catch (cause) {
    if (!(cause instanceof StateError)) throw new SpecError(`${file} is no text in UTF-8.`, { path: file }, { cause });
    const names = presets().map((preset) => preset.name);
    const isMissing = cause.facts['reason'] === 'ENOENT';
    const what = isMissing ? `${file}: there is no such file. Presets are ${names.join(', ')}.` : cause.message;
    throw new SpecError(`Could not read the spec. ${what}`, { path: file }, { cause });
  }
}

function toValue(document: Document, file: string): unknown {
  try {
    return document.toJS({ maxAliasCount: MAX_ALIASES }) as unknown;
  } catch (cause) {
    const what = cause instanceof Error ? cause.message : String(cause);
    throw new SpecError(
      `${file} is not usable as a spec: ${what}. At most ${MAX_ALIASES} aliases are followed.`,
      { path: file },
      { cause },
    );
  }
}

function extended(written: Readonly<Record<string, unknown>>, file: string, whereIs: RawSpec['whereIs']): unknown {
  const { extends: base, $schema: _, ...own } = written; // $schema is for editors
  if (base === undefined) return own;
  const preset = typeof base === 'string' ? findPreset(base) : null;
  if (preset) return extendSpec(preset.spec, own);
  const names = presets().map(({ name }) => name);
  const near = typeof base === 'string' ? didYouMean(base, names) : '';
  const message = `expected the name of a preset (${names.join(', ')}), got ${shown(base)}${near}`;
  throw specErrorOf([{ path: ['extends'], message }], file, whereIs);
}

/** Where in the text the key or list entry at `path` is written. */
function offsetOf(document: Document, path: readonly PropertyKey[]): number | null {
  let node: unknown = document.contents;
  let offset: number | null = null;
  for (const step of path) {
    let next: unknown;
    if (isMap(node)) {
      const pair = node.items.find(({ key }) => String(isScalar(key) ? key.value : key) === String(step));
      offset = startOf(pair?.key);
      next = pair?.value;
    } else if (isSeq(node)) {
      next = node.items[Number(step)];
      offset = startOf(next);
    } else return null;
    if (offset === null) return null;
    node = next;
  }
  return offset;
}

function startOf(node: unknown): number | null {
  const range = typeof node === 'object' && node !== null && 'range' in node ? node.range : null;
  return Array.isArray(range) && typeof range[0] === 'number' ? range[0] : null;
}

/** Whether what is written at `path` may come from this override. */
function touches({ path: changed }: Override, path: readonly PropertyKey[]): boolean {
  const same = (step: string, i: number) => step === String(path[i]) || (i === 1 && changed[0] === 'silos'); // a name
  return path.length >= changed.length && changed.every(same);
}
