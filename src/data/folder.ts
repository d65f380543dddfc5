// Images that the user brings along: a folder or a file is named, and what lies there decides how it is read.

import { readdir, stat } from 'node:fs/promises';
import { extname, join } from 'node:path';
import { DataError } from '../errors.ts';
import { isCifarFile, loadCifarFiles } from './cifar-files.ts';
import { IDX_ROLES, idxFileNames } from './idx-files.ts';
import { loadIdxFolder } from './idx-folder.ts';
import type { DataSet } from './image-set.ts';
import { loadNpz } from './npz-file.ts';
import type { OwnImages, Reading } from './own-set.ts';
import { loadPngFolders } from './png-folders.ts';

/** `readFolder`, without what only people want to know. */
export async function loadFolder(path: string): Promise<DataSet> {
  return (await readFolder(path)).dataSet;
}

/**
 * Reads the images of a folder - four IDX files, one .npz file, CIFAR-10's binary files, or a folder of PNG files a class
 * (docs/data.md) - or of an .npz file. [N, C, H, W], C of 1 or 3. Throws DataError where nothing or more than one of these
 * lies there, or where it is damaged, too large, or does not fit together; StateError where the disk refuses.
 * `reading.isSplit`: whether test images are held out where there are none, as an experiment needs them and a silo does not.
 */
export async function readFolder(path: string, reading: Reading = WITH_TEST): Promise<OwnImages> {
  const found = await stat(path).catch(() => null);
  if (found === null) throw new DataError(`${path}: there is no such folder or file. Correct the path.`, { dir: path });
  if (found.isFile()) {
    if (extname(path).toLowerCase() === '.npz') return loadNpz(path, reading);
    throw new DataError(`${path}: expected a folder of images or an .npz file. Name the folder that it lies in.`, {
      file: path,
    });
  }
  const { files, folders } = await listed(path);
  const npz = files.filter((name) => extname(name).toLowerCase() === '.npz');
  const layouts = [
    {
      kind: 'IDX files',
      here: files.filter((name) => IDX_NAMES.has(name)),
      load: () => loadIdxFolder(path, files, reading),
    },
    { kind: '.npz files', here: npz, load: () => loadNpz(join(path, npz[0] as string), reading) },
    { kind: 'CIFAR-10 files', here: files.filter(isCifarFile), load: () => loadCifarFiles(path, files, reading) },
  ].filter(({ here }) => here.length > 0);
  const [layout] = layouts;
  if (layouts.length > 1 || npz.length > 1) {
    const all = layouts.map(({ kind, here }) => `${kind} (${here.slice(0, 4).join(', ')})`);
    throw new DataError(
      `${path}: expected one data set, found ${all.join(' and ')}. Name one .npz file itself, or move the others away.`,
      { dir: path, found: all },
    );
  }
  if (layout) return layout.load();
  if (folders.length > 0) return loadPngFolders(path, reading);
  throw new DataError(
    `${path}: expected four IDX files (${IDX_ROLES.map((role) => idxFileNames(role)[0]).join(', ')}, plain or with .gz), one ` +
      `.npz file, CIFAR-10's .bin files, or a folder of PNG files for each class; found ` +
      `${files.length === 0 ? 'nothing' : files.slice(0, 5).join(', ')}. docs/data.md shows each layout.`,
    { dir: path, files: files.slice(0, 5) },
  );
}

// --- internal ---

const WITH_TEST: Reading = { isSplit: true };

const IDX_NAMES: ReadonlySet<string> = new Set(IDX_ROLES.flatMap(idxFileNames));

/** What is not hidden; a link counts as what it leads to, for each file is checked when it is read. */
async function listed(
  dir: string,
): Promise<{ readonly files: readonly string[]; readonly folders: readonly string[] }> {
  const files: string[] = [];
  const folders: string[] = [];
  try {
    for (const entry of await readdir(dir, { withFileTypes: true })) {
      if (entry.name.startsWith('.')) continue;
      if (entry.isDirectory()) folders.push(entry.name);
      else files.push(entry.name);
    }
  } catch (cause) {
    throw new DataError(`${dir}: could not be listed. Check its permissions.`, { dir }, { cause });
  }
  return { files: files.sort(), folders };
}
