import fc from 'fast-check';
import { expect, it, test } from 'vitest';
import { createExposition, formatLabels, type Metric } from './text.js';

const up: Metric = { name: 'a_up', type: 'gauge', help: 'Whether it is' };
const done: Metric = { name: 'a_done', type: 'counter', help: 'How often' };
const build: Metric = { name: 'a_build', type: 'info', help: 'What it is' };

function text(format: 'openmetrics' | 'prometheus'): string {
  const to = createExposition(format);
  to.add(up, formatLabels({ host: 'b' }), 1);
  to.add(done, '', 3);
  to.add(up, formatLabels({ host: 'a' }), 0);
  to.add(build, formatLabels({ version: '1' }), 1);
  to.add(up, formatLabels({ host: 'c' }), NaN);
  return to.pieces().join('');
}

test('families stay together, in both formats', () => {
  expect(text('openmetrics')).toBe(
    '# HELP a_up Whether it is.\n# TYPE a_up gauge\na_up{host="b"} 1\na_up{host="a"} 0\n# HELP a_done How often.\n# TYPE a_done counter\na_done_total 3\n# HELP a_build What it is.\n# TYPE a_build info\na_build_info{version="1"} 1\n# EOF\n',
  );
  expect(text('prometheus')).toBe(
    '# HELP a_up Whether it is.\n# TYPE a_up gauge\na_up{host="b"} 1\na_up{host="a"} 0\n# HELP a_done_total How often.\n# TYPE a_done_total counter\na_done_total 3\n# HELP a_build_info What it is.\n# TYPE a_build_info gauge\na_build_info{version="1"} 1\n',
  );
});

it('gives every label back as it was, on one line', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 200 }), (value) => {
      const line = formatLabels({ host: value });
      expect(line).not.toContain('\n');
      const [, inner = ''] = /^host="((?:[^"\\]|\\[\\"n])*)"$/s.exec(line) ?? [];
      expect(inner.replace(/\\(.)/g, (_match, char: string) => (char === 'n' ? '\n' : char))).toBe(value);
    }),
  );
});

test('many samples are many pieces', () => {
  const to = createExposition('prometheus');
  for (let index = 0; index < 2_000; index += 1) to.add(up, formatLabels({ host: String(index) }), 1);
  const pieces = to.pieces();
  expect(pieces.length).toBeGreaterThan(3);
  expect(pieces.join('').split('\n')).toHaveLength(2_003);
});
