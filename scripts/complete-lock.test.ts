// A lock file that lacks other systems' native packages passes unnoticed where node_modules is already there, and stops
// `npm ci` in every fresh clone.

import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { missingOptionals } from './complete-lock.mjs';

test('the lock file of this package is complete', () => {
  const lock = JSON.parse(readFileSync(new URL('../package-lock.json', import.meta.url), 'utf8'));
  expect(Object.keys(missingOptionals(lock.packages)), 'run: node scripts/complete-lock.mjs').toEqual([]);
});

test('a missing native package becomes an entry for its own system', () => {
  const optionalDependencies = { 'b-linux-x64-musl': '1.2.3', 'b-linux-arm64': '1.2.3', 'b-win32-x64-msvc': '1.2.3' };
  const present = { 'node_modules/b-linux-arm64': { version: '1.2.3' } };
  expect(missingOptionals({ '': {}, 'node_modules/b': { dev: true, optionalDependencies }, ...present })).toEqual({
    'node_modules/b-linux-x64-musl': {
      version: '1.2.3',
      os: ['linux'],
      cpu: ['x64'],
      libc: ['musl'],
      dev: true,
      optional: true,
    },
    'node_modules/b-win32-x64-msvc': { version: '1.2.3', os: ['win32'], cpu: ['x64'], dev: true, optional: true },
  });
});

test('what is not made for one system, or not asked for exactly, is left to npm', () => {
  const optionalDependencies = { speed: '1.0.0', 'b-linux-x64': '^1.0.0' };
  expect(missingOptionals({ 'node_modules/b': { optionalDependencies } })).toEqual({});
});
