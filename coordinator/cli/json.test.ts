import { expect, test } from 'vitest';
import { formatJson, toJson } from './json.js';

test('times and durations, which look alike on the wire, are told apart', () => {
  expect(toJson({ lastSeen: { seconds: 90, nanos: 0 }, timeout: { seconds: 90, nanos: 0 }, certificateTtl: { seconds: 1, nanos: 500_000_000 }, ttl: null })).toEqual({
    lastSeen: '1970-01-01T00:01:30.000Z', timeout: '90s', certificateTtl: '1.500s', ttl: null,
  });
});

test('what a terminal or a reader could take for something else is escaped', () => {
  expect(formatJson({ name: 'a\u202eb\u009b' })).toBe('{\n  "name": "a\\u202eb\\u009b"\n}\n');
});

test('paths are texts, or their bytes where they are no UTF-8; other bytes are hex', () => {
  expect(toJson({ path: Buffer.from('/ä'), target: Buffer.from([0x2f, 0xff]), different: [Buffer.from('/a'), Buffer.from([0xff])], sha256: Buffer.from('/ä') })).toEqual({
    path: '/ä', target: { hex: '2fff' }, different: ['/a', { hex: 'ff' }], sha256: '2fc3a4',
  });
});
