// Numbers of the zip format that its reader and its writer share (APPNOTE.TXT of PKWARE, 4.3.7, 4.3.12 and 4.3.16).

/** How each kind of record begins, little-endian: before a member, in the directory, at its end. */
export const ZIP_MAGIC = { local: 0x04034b50, entry: 0x02014b50, end: 0x06054b50 } as const;

/** Bytes of each kind of record, without names and comments. */
export const ZIP_BYTES = { local: 30, entry: 46, end: 22 } as const;
