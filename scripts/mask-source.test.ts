// The masking that the structure check stands on: prose goes, code and positions stay.

import { expect, test } from 'vitest';
import { maskSource } from './mask-source.mjs';

test('comments and the insides of strings become spaces, quotes and line breaks stay', () => {
  const source = 'a(\'x\') // b\n/* c\n d */ e("f\\"g")';
  expect(maskSource(source)).toBe('a(\' \')     \n    \n      e("    ")');
});

test('a template loses its text and keeps its code, also when nested', () => {
  expect(maskSource('`a ${f(`b ${c} d`, { e: 1 })} g`.h')).toBe('`  ${f(`  ${c}  `, { e: 1 })}  `.h');
});

test('a regular expression is prose, a division is code', () => {
  expect(maskSource('x = /a[/"]b/g; y = (a) / b / c;')).toBe('x = /      /g; y = (a) / b / c;');
  expect(maskSource("return /'/.test(x)")).toBe('return / /.test(x)');
  expect(maskSource('a / 2 + b[1] / 3')).toBe('a / 2 + b[1] / 3');
});

test('an apostrophe in a comment does not start a string', () => {
  expect(maskSource("// don't\nMath.random()")).toBe('        \nMath.random()');
});

test('the length never changes, even for broken text', () => {
  for (const source of ["'open", '`open ${', '/* open', 'a /', '`${`${`', "x = '\n'", '}']) {
    expect(maskSource(source)).toHaveLength(source.length);
  }
});
