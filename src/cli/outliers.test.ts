import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it, vi } from 'vitest';
import { loadSpec } from '../experiments/load-spec.ts';
import { closeRunFolder, openRunFolder } from '../experiments/run-folder.ts';
import { main } from './main.ts';

const ROOT = mkdtempSync(join(tmpdir(), 'align-fl-outliers-cli-'));
afterAll(() => rmSync(ROOT, { recursive: true, force: true }));

/** Runs the command in this process. */
async function said(...argv: readonly string[]) {
  let stderr = '';
  vi.spyOn(process.stdout, 'write').mockImplementation(() => true);
  vi.spyOn(process.stderr, 'write').mockImplementation((part: unknown) => {
    stderr += String(part);
    return true;
  });
  try {
    return { code: await main(['outliers', ...argv]), stderr };
  } finally {
    vi.restoreAllMocks();
  }
}

/** A run that was begun. */
async function begun(name: string, ...changes: readonly string[]): Promise<string> {
  const folder = await openRunFolder({ path: join(ROOT, name), spec: await loadSpec('quickstart', changes) });
  await closeRunFolder(folder);
  return folder.root;
}

const FOREIGN = 'data.foreign={source: {kind: drawn-garments}, rate: 0.05, silos: [silo-a]}';

describe('align-fl outliers', () => {
  it('says how to get foreign images where a run has none', async () => {
    const { code, stderr } = await said(await begun('none'));
    expect(code).toBe(2);
    expect(stderr).toContain('data.foreign is null');
    expect(stderr).toContain("--set 'data.foreign=");
  });

  it('names the silos that have some', async () => {
    const { code, stderr } = await said(await begun('some', FOREIGN), '--silo', 'silo-b');
    expect(code).toBe(2);
    expect(stderr).toContain('Those that have: silo-a');
  });

  it('says how to finish a run that is not complete', async () => {
    const path = await begun('half', FOREIGN);
    const { code, stderr } = await said(path);
    expect(code).toBe(1);
    expect(stderr).toContain(`align-fl run --resume ${path}`);
  });

  it('refuses a folder that is no run', async () => {
    const { code, stderr } = await said(ROOT);
    expect(code).toBe(2);
    expect(stderr).toContain('is no run folder');
  });
});
