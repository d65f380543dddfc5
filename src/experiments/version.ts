// The version of this package, as its manifest says.

import { readFileSync } from 'node:fs';

export function packageVersion(): string {
  const file = new URL('../../package.json', import.meta.url); // from src/ and from dist/ alike
  return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version;
}
