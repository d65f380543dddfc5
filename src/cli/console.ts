// The console as commands see it: results go to stdout, everything else to stderr.

export interface Console {
  /** A result, with a newline. */
  print(text: string): void;
  /** A message to the person. */
  error(text: string): void;
  readonly stderr: NodeJS.WriteStream;
  /** Version of align-fl. */
  readonly version: string;
}

/** The console of this process. */
export function processConsole(version: string): Console {
  return {
    print: (text) => process.stdout.write(`${text}\n`),
    error: (text) => process.stderr.write(`${text}\n`),
    stderr: process.stderr,
    version,
  };
}
