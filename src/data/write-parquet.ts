// Images in one Parquet file, in the layout that the Hugging Face hub uses: PNG bytes in a column of their own, labels beside.

import { parquetWriteBuffer } from 'hyparquet-writer';

/** One row of the file. */
export interface ImageRow {
  /** A PNG file. */
  readonly png: Uint8Array;
  /** What the file would be called. */
  readonly path: string;
  /** Null in all rows or in none. */
  readonly label: number | null;
  readonly silo: string;
}

/**
 * The bytes of a file with the columns `image: {bytes, path}`, `label: int64` (unless null) and `silo: string`, in groups of
 * 1,000 rows. `classes`: names of the labels for whoever reads the metadata. PNG files are packed already, so nothing is
 * packed again; the same rows are the same bytes.
 */
export function parquetBytes(rows: readonly ImageRow[], classes: readonly string[] | null): Uint8Array {
  const labels = classes === null ? null : rows.map(({ label }) => BigInt(label as number));
  const buffer = parquetWriteBuffer({
    codec: 'UNCOMPRESSED',
    statistics: false,
    rowGroupSize: ROWS_OF_GROUP,
    createdBy: 'align-fl',
    schema: [
      { name: 'root', num_children: labels ? 3 : 2 },
      { name: 'image', num_children: 2, repetition_type: 'REQUIRED' },
      { name: 'bytes', type: 'BYTE_ARRAY', repetition_type: 'REQUIRED' },
      { name: 'path', type: 'BYTE_ARRAY', converted_type: 'UTF8', repetition_type: 'REQUIRED' },
      ...(labels ? [{ name: 'label', type: 'INT64', repetition_type: 'REQUIRED' } as const] : []),
      { name: 'silo', type: 'BYTE_ARRAY', converted_type: 'UTF8', repetition_type: 'REQUIRED' },
    ],
    columnData: [
      { name: 'image', data: rows.map(({ png, path }) => ({ bytes: png, path })) },
      ...(labels ? [{ name: 'label', data: labels }] : []),
      { name: 'silo', data: rows.map(({ silo }) => silo) },
    ],
    kvMetadata: [{ key: 'huggingface', value: JSON.stringify({ info: { features: featuresOf(classes) } }) }],
  });
  return new Uint8Array(buffer);
}

// --- internal ---

const ROWS_OF_GROUP = 1000;

/** What the library `datasets` takes the columns for. */
function featuresOf(classes: readonly string[] | null) {
  return {
    image: { _type: 'Image' },
    ...(classes && { label: { names: classes, _type: 'ClassLabel' } }),
    silo: { dtype: 'string', _type: 'Value' },
  };
}
