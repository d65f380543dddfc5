import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { ALLOWED_OPERATORS } from './allowed-operators.ts';
import { MAX_NODES } from './inspect-graph.ts';
import { MAX_CLASSES, MAX_FIXED_BATCH, MAX_LATENT } from './inspect-ports.ts';
import { MAX_DECODER_BYTES } from './parse-decoder.ts';

const text = readFileSync(new URL('../../docs/bring-your-own-generator.md', import.meta.url), 'utf8');

test('the page for makers of generators lists the operators that are allowed, each once', () => {
  const table = text.split('## Operators')[1]?.split('\n## ')[0] ?? '';
  const told = [...table.matchAll(/^\| (?!for |---)[^|]*\| ([^|]*) \|$/gm)].flatMap(([, list = '']) =>
    list.split(', '),
  );
  expect(told.sort()).toEqual([...ALLOWED_OPERATORS.keys()].sort());
});

test('and the limits that hold', () => {
  for (const limit of [MAX_NODES, MAX_CLASSES, MAX_FIXED_BATCH, MAX_LATENT]) {
    expect(text).toContain(limit.toLocaleString('en'));
  }
  expect(text).toContain(`${MAX_DECODER_BYTES / 2 ** 20} MiB`);
});
