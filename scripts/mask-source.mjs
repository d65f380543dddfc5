// Blanks comments and the insides of strings, templates and regular expressions out of a source text, so that simple
// patterns can search the code without meeting words in prose. Length, line breaks and quotes stay where they are.

/**
 * `source` with every character of prose replaced by a space. The code inside of `${...}` stays.
 * @param {string} source TypeScript or JavaScript
 */
export function maskSource(source) {
  const out = source.split('');
  /** Open braces of each `${`: at zero, a `}` leads back into the template. @type {number[]} */
  const templates = [];
  let at = 0;

  /** @param {number} end */
  const blankTo = (end) => {
    for (; at < Math.min(end, source.length); at++) if (out[at] !== '\n') out[at] = ' ';
  };

  while (at < source.length) {
    const two = source.slice(at, at + 2);
    const char = source[at];
    if (two === '//' || (at === 0 && two === '#!')) blankTo(endOf(source, '\n', at));
    else if (two === '/*') blankTo(endOf(source, '*/', at + 2) + 2);
    else if (char === "'" || char === '"') {
      const end = closing(source, at, char);
      at++;
      blankTo(end);
      at++;
    } else if (char === '/' && startsRegex(out, at)) {
      const end = closing(source, at, '/');
      at++;
      blankTo(end);
      at++;
    } else if (char === '`' || (char === '}' && templates.at(-1) === 0)) {
      if (char === '}') templates.pop();
      at++;
      const end = endOfTemplateText(source, at);
      blankTo(end);
      if (source[at] === '$') templates.push(0);
      at += source[at] === '$' ? 2 : 1;
    } else {
      const depth = templates.length - 1;
      if (char === '{' && depth >= 0) templates[depth] = (templates[depth] ?? 0) + 1;
      if (char === '}' && depth >= 0) templates[depth] = (templates[depth] ?? 0) - 1;
      at++;
    }
  }
  return out.join('');
}

// --- internal ---

/**
 * Place of `mark` from `from` on, or the end of the text.
 * @param {string} source
 * @param {string} mark
 * @param {number} from
 */
function endOf(source, mark, from) {
  const found = source.indexOf(mark, from);
  return found < 0 ? source.length : found;
}

/**
 * Place of the quote that closes the one at `open`; a line's end closes it too. In a regular expression, a slash between
 * square brackets does not close.
 * @param {string} source
 * @param {number} open
 * @param {string} quote
 */
function closing(source, open, quote) {
  let inClass = false;
  for (let at = open + 1; at < source.length; at++) {
    const char = source[at];
    if (char === '\\') at++;
    else if (char === '\n') return at;
    else if (quote === '/' && char === '[') inClass = true;
    else if (quote === '/' && char === ']') inClass = false;
    else if (char === quote && !inClass) return at;
  }
  return source.length;
}

/**
 * Place of the next backtick or `${`.
 * @param {string} source
 * @param {number} from
 */
function endOfTemplateText(source, from) {
  for (let at = from; at < source.length; at++) {
    if (source[at] === '\\') at++;
    else if (source[at] === '`' || (source[at] === '$' && source[at + 1] === '{')) return at;
  }
  return source.length;
}

/**
 * A slash begins a regular expression where no value can have ended just before it.
 * @param {readonly string[]} out the text, blanked as far as `at`
 * @param {number} at
 */
function startsRegex(out, at) {
  const before = out
    .slice(Math.max(0, at - 40), at)
    .join('')
    .trimEnd();
  if (before === '') return true;
  if (/[)\]}'"`]$/.test(before)) return false;
  const word = /[\w$]+$/.exec(before)?.[0];
  return word === undefined || ['return', 'typeof', 'case', 'in', 'of', 'await', 'yield', 'else', 'do'].includes(word);
}
