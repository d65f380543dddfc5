// Nothing that comes from a file becomes markup.

import { describe, expect, it } from 'vitest';
import { escapeText, markup, trusted } from './markup.ts';

describe('markup', () => {
  it('escapes values in content and in quoted attributes', () => {
    const hostile = `"><script>alert('1')</script>&`;
    expect(markup`<p title="${hostile}">${hostile}</p>`.markup).toBe(
      '<p title="&quot;&gt;&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt;&amp;">&quot;&gt;&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt;&amp;</p>',
    );
  });

  it('keeps markup, joins lists, and takes null for nothing', () => {
    const items = ['a', '<b>'].map((text) => markup`<li>${text}</li>`);
    expect(markup`<ul>${items}</ul>${null}${3}${trusted('<hr>')}`.markup).toBe(
      '<ul><li>a</li><li>&lt;b&gt;</li></ul>3<hr>',
    );
  });
});

describe('escapeText', () => {
  it.each([
    ['control characters, which XML refuses', 'a\u0000b\u001bc', 'a\ufffdb\ufffdc'],
    ['turns of direction, which hide what is written', 'a\u202eb\u2066c', 'a\ufffdb\ufffdc'],
    ['halves of characters', 'a\ud800b', 'a\ufffdb'],
  ])('replaces %s', (_, text, expected) => {
    expect(escapeText(text)).toBe(expected);
  });

  it('leaves words of all languages, emoji and line breaks', () => {
    expect(escapeText('silo\tá 東京 🏥\n')).toBe('silo\tá 東京 🏥\n');
  });
});
