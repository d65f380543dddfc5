// Lines at the bottom of a terminal that are drawn anew: what every view with progress stands on.

import colours from 'picocolors';

export interface LiveLines {
  /** Removes the lines that were drawn last. */
  erase(): void;
  /** Removes them and draws these, each cut to the width of the terminal: a line that wraps could not be removed. */
  draw(lines: readonly string[]): void;
}

/** No lines yet, on `stream`. */
export function createLiveLines(stream: NodeJS.WriteStream): LiveLines {
  let drawn = 0;
  const erase = () => {
    if (drawn > 0) stream.write(`\x1b[${drawn}A\x1b[0J`);
    drawn = 0;
  };
  return {
    erase,
    draw(lines) {
      erase();
      stream.write(lines.map((line) => `${clipped(line, stream.columns ?? 100)}\n`).join(''));
      drawn = lines.length;
    },
  };
}

/** A bar that is full at a share of 1. */
export function bar(share: number): string {
  const full = Math.round(share * BAR_WIDTH);
  return colours.green('█'.repeat(full)) + colours.dim('░'.repeat(BAR_WIDTH - full));
}

// --- internal ---

const BAR_WIDTH = 20;

/** At most `columns` wide, colours not counted, so that a live line never wraps. */
function clipped(line: string, columns: number): string {
  let width = 0;
  let out = '';
  // oxlint-disable-next-line no-control-regex -- how colours begin
  for (const part of line.split(/(\x1b\[[0-9;]*m)/)) {
    if (part.startsWith('\x1b[')) out += part;
    else {
      out += part.slice(0, Math.max(0, columns - 1 - width));
      width += part.length;
    }
  }
  return out;
}
