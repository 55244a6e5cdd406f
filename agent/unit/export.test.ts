import { describe, expect, test } from 'vitest';
import { mostUnit } from '../../shared/model/unit.js';
import { createExportReader } from './export.js';

const unit = 'web.service';

/** A field as journalctl(1) writes it: with its length where it is no plain text. */
function field(name: string, value: string | Buffer): Buffer {
  const bytes = Buffer.from(value);
  const plain = bytes.every((byte) => byte >= 0x20 || byte === 0x09);
  if (plain) return Buffer.concat([Buffer.from(`${name}=`), bytes, Buffer.from('\n')]);
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(bytes.length));
  return Buffer.concat([Buffer.from(`${name}\n`), length, bytes, Buffer.from('\n')]);
}

const entry = (fields: Readonly<Record<string, string | Buffer>>): Buffer =>
  Buffer.concat([...Object.entries({ __CURSOR: 's=1;i=2', __REALTIME_TIMESTAMP: '1750000000000001', _SYSTEMD_UNIT: unit, ...fields }).map(([name, value]) => field(name, value)), Buffer.from('\n')]);

const readAll = (bytes: Buffer, step = bytes.length): ReturnType<ReturnType<typeof createExportReader>['read']> => {
  const reader = createExportReader([unit]);
  const lines = [];
  for (let at = 0; at < bytes.length; at += step) lines.push(...reader.read(bytes.subarray(at, at + step)));
  return lines;
};

describe('the journal as it is exported', () => {
  const bytes = Buffer.concat([
    entry({ MESSAGE: 'hello', PRIORITY: '3', SYSLOG_IDENTIFIER: 'web', _PID: '42' }), entry({ MESSAGE: 'two\nlines\n\nMESSAGE=three' }), entry({ MESSAGE: Buffer.from([0x1b, 0x5b, 0x32, 0x4a, 0xff]) }),
    entry({ MESSAGE: 'Stopped web', _SYSTEMD_UNIT: 'init.scope', UNIT: unit, _PID: '1' }), entry({}),
  ]);

  test.each([1, 2, 7, 8, 64, bytes.length])('reads the same in pieces of %d bytes', (step) => {
    expect(readAll(bytes, step)).toEqual([
      { timeUs: 1_750_000_000_000_001, unit, priority: 3, message: 'hello', cut: false, identifier: 'web', pid: 42 },
      { timeUs: 1_750_000_000_000_001, unit, priority: 6, message: 'two\nlines\n\nMESSAGE=three', cut: false, identifier: '', pid: 0 },
      { timeUs: 1_750_000_000_000_001, unit, priority: 6, message: '\u001b[2J\ufffd', cut: false, identifier: '', pid: 0 },
      { timeUs: 1_750_000_000_000_001, unit, priority: 6, message: 'Stopped web', cut: false, identifier: '', pid: 1 },
      { timeUs: 1_750_000_000_000_001, unit, priority: 6, message: '', cut: false, identifier: '', pid: 0 },
    ]);
  });

  test.each([['plain', ''], ['with a line end', '\n']])('a message that is too long is cut, %s, and what comes after it is read', (_, head) => {
    const long = `${head}${'ä'.repeat(4 * 2 ** 20)}`;
    const [cut, next] = readAll(Buffer.concat([entry({ MESSAGE: long }), entry({ MESSAGE: 'next' })]), 16_384);
    expect(cut).toMatchObject({ cut: true });
    expect(Buffer.byteLength(cut?.message ?? '')).toBeLessThanOrEqual(mostUnit.messageBytes);
    expect(Buffer.byteLength(cut?.message ?? '')).toBeGreaterThan(mostUnit.messageBytes - 4);
    expect(cut?.message).not.toContain('\ufffd');
    expect(next).toMatchObject({ message: 'next', cut: false });
  });

  test('one of exactly as many bytes as are shown is whole', () => {
    const message = 'x'.repeat(mostUnit.messageBytes);
    expect(readAll(entry({ MESSAGE: message }))).toMatchObject([{ message, cut: false }]);
    expect(readAll(entry({ MESSAGE: `${message}y` }))).toMatchObject([{ message, cut: true }]);
  });

  test('a program cannot say that it is another unit, or say a thing twice', () => {
    expect(readAll(entry({ MESSAGE: 'a', UNIT: 'ssh.service', OBJECT_SYSTEMD_UNIT: 'ssh.service' }))).toMatchObject([{ unit }]);
    expect(readAll(Buffer.concat([field('MESSAGE', 'first'), entry({ MESSAGE: 'second', PRIORITY: '99', _PID: '-1' })]))).toMatchObject([{ message: 'first', priority: 7, pid: 0 }]);
  });

  test.each([
    ['a name in lower case', Buffer.from('message=x\n')], ['a name without end', Buffer.from(`${'A'.repeat(100)}\n`)], ['a length that no number holds', Buffer.concat([Buffer.from('MESSAGE\n'), Buffer.alloc(8, 0xff)])],
    ['a value that goes on', Buffer.concat([Buffer.from('MESSAGE\n'), Buffer.from([1, 0, 0, 0, 0, 0, 0, 0]), Buffer.from('abc\n')])], ['other output', Buffer.from('No journal files were found.\n')],
  ])('%s is not the journal', (_, bad) => {
    expect(() => readAll(bad)).toThrow(expect.objectContaining({ code: 'UNIT_FAILED' }));
  });
});
