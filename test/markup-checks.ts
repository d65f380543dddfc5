// What a parser would object to in HTML or SVG: enough to notice text that broke out of its place.

/** Tags that are not closed in the order in which they were opened; empty for sound markup. */
export function tagProblems(markup: string): string[] {
  const open: string[] = [];
  const problems: string[] = [];
  const withoutStyle = markup.replace(/<style>[\s\S]*?<\/style>/g, '');
  for (const [tag, slash, name = '', attributes = ''] of withoutStyle.matchAll(TAG)) {
    if (tag.startsWith('<!') || tag.startsWith('<?')) continue;
    if (slash === '/') {
      const expected = open.pop();
      if (expected !== name) problems.push(`</${name}> where </${expected}> was expected`);
    } else if (!VOID.has(name) && !attributes.endsWith('/')) open.push(name);
    if (/(^|\s)on\w+\s*=/i.test(attributes.replace(/"[^"]*"/g, '""'))) problems.push(`a handler in ${tag}`);
  }
  return [...problems, ...open.map((name) => `<${name}> is never closed`)];
}

// --- internal ---

const TAG = /<[!?][^>]*>|<(\/?)([a-zA-Z][\w-]*)((?:"[^"]*"|[^">])*)>/g;
const VOID: ReadonlySet<string> = new Set(['meta', 'img', 'br', 'hr', 'input', 'link']);
