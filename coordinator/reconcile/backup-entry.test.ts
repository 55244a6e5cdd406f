import { describe, expect, it, test } from 'vitest';
import type { BackupEntry as WireEntry } from '../../shared/gen/proto/reeve/type/v1/BackupEntry.js';
import { comparedOf, parseEntry, parseProblem, parseProgress, parseSnapshot, rootless } from './backup-entry.js';

const wire = (more: Partial<WireEntry> = {}): WireEntry => ({
  snapshot: '2026-01-31T090500Z', path: Buffer.from('/srv/a'), kind: 'file', size: 3, modifiedMs: -5, mode: 0o644, uid: 0, gid: 0, target: Buffer.alloc(0), sha256: Buffer.alloc(32, 1), problem: '', ...more,
});

describe('what a host says of a file', () => {
  it('is taken as bytes, without the slash it begins with', () => {
    const path = Buffer.from([0x2f, 0x73, 0xff, 0x0a]);
    const entry = parseEntry(wire({ path }));
    expect(entry?.path).toEqual(path.subarray(1));
    expect(entry === undefined ? undefined : comparedOf(entry).path).toBe('s\xff\n');
    expect(rootless(Buffer.from('///'))).toHaveLength(0);
  });

  test.each<[string, Partial<WireEntry>]>([
    ['a path that no system has', { path: Buffer.alloc(4_097, 97) }],
    ['a NUL in its path', { path: Buffer.from('a\0b') }],
    ['another kind', { kind: 'door' }],
    ['half a digest', { sha256: Buffer.alloc(16) }],
    ['a size below nothing', { size: -1 }],
    ['a size beyond what can be counted', { size: 2 ** 60 }],
    ['no number', { modifiedMs: Number.NaN }],
    ['a snapshot that is a path', { snapshot: '../../etc' }],
    ['a link of a mebibyte', { target: Buffer.alloc(1024 * 1024) }],
  ])('is dropped when it has %s', (_title, more) => {
    expect(parseEntry(wire(more))).toBeUndefined();
  });

  it('cuts its words', () => {
    expect(parseEntry(wire({ problem: 'x'.repeat(9_999) }))?.problem).toHaveLength(1_024);
    expect(parseProblem({ path: Buffer.from('a'), kind: 'failed', text: 'x'.repeat(9_999) })?.text).toHaveLength(1_024);
  });
});

describe('what a host says otherwise', () => {
  it('has names of snapshots, and figures that can be', () => {
    expect(parseSnapshot({ name: '2026-02-30T090500Z ', complete: true, files: 1, bytes: 1, sentBytes: 1 })).toBeUndefined();
    expect(parseSnapshot({ name: '2026-01-31T090500Z', complete: true, files: -1, bytes: 2 ** 70, sentBytes: 0.5 })).toMatchObject({ files: 0, bytes: 0, sentBytes: 0 });
    expect(parseProgress({ phase: 'x', files: -1, filesTotal: 2, bytes: 3, rate: Infinity, percent: 4_000, remainingSeconds: 1, elapsedMs: 1 })).toEqual({ files: 0, filesTotal: 2, bytes: 3, rate: 0, percent: 100, remainingSeconds: 1 });
  });

  it('has problems of two kinds, each of a file', () => {
    expect(parseProblem({ path: Buffer.alloc(0), kind: 'failed', text: '' })).toBeUndefined();
    expect(parseProblem({ path: Buffer.from('a'), kind: 'other', text: '' })).toBeUndefined();
  });
});
