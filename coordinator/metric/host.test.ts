import { expect, test } from 'vitest';
import { createSimulatedHost } from '../../test/support/simulated-host.js';
import { notYet, type Live } from '../fleet/live.js';
import { openDatabase } from '../inventory/database.js';
import { addHost as storeHost, getHost, setJoined, type HostRow } from '../inventory/host.js';
import { addHost } from './host.js';
import { createExposition } from './text.js';

const now = Date.parse('2026-03-01T00:00:00Z');
const id = 'web1'.padEnd(36, '-');

function row(): HostRow {
  const db = openDatabase(':memory:');
  storeHost(db, { id, name: 'web1', endpoint: undefined, parentId: undefined, now: now - 5000 });
  setJoined(db, id, { now: now - 5000, from: undefined, agentVersion: '1.2.3', machineHint: undefined });
  const host = getHost(db, id);
  if (host === undefined) throw new Error('it was just made');
  return host;
}

/** Samples by name and labels. */
function told(live: Live, extra = { pending: 0, drifted: 0, driftSinceMs: undefined as number | undefined, holds: 0 }): Map<string, number> {
  const to = createExposition('prometheus');
  addHost(to, row(), live, extra, now);
  return new Map(to.pieces().join('').split('\n').filter((line) => line !== '' && !line.startsWith('#')).map((line) => [line.slice(0, line.lastIndexOf(' ')), Number(line.slice(line.lastIndexOf(' ')))]));
}

test('a connected host tells how it is', async () => {
  const facts = await createSimulatedHost().readFacts();
  const live: Live = { ...notYet(now), state: 'connected', lastSeenMs: now - 2000, clockOffsetMs: -1500, certificateNotAfterMs: now + 3_600_000, facts: { facts: { ...facts, load: [9, 3, 0], cpuCount: 2 }, lossy: false } };
  const found = told(live, { pending: 2, drifted: 1, driftSinceMs: now - 60_000, holds: 1 });
  const about = { up: 1, seen_age_seconds: 2, pending: 2, drifted: 1, drift_age_seconds: 60, held: 1, clock_offset_seconds: -1.5, certificate_left_seconds: 3600, reboot_required: 0, load: 1.5, cpus: 2 };
  for (const [name, value] of Object.entries(about)) expect(found.get(`reeve_host_${name}{host="web1"}`), name).toBe(value);
  expect(found.get('reeve_host_agent_info{host="web1",version="1.2.3"}')).toBe(1);
  expect(found.get('reeve_host_pressure_ratio{host="web1",resource="io",kind="full"}')).toBe(0.02);
  expect(found.get('reeve_host_disk_used_ratio{host="web1",mount="/"}')).toBe(0.25);
});

test('of a lost host only that is told, and nothing that it last said', async () => {
  const facts = await createSimulatedHost().readFacts();
  const found = told({ ...notYet(now), lastSeenMs: now - 60_000, facts: { facts, lossy: false } });
  expect([...found.keys()].map((name) => name.replace(/\{.*/, '').replace('reeve_host_', ''))).toEqual(['up', 'seen_age_seconds', 'pending', 'drifted', 'drift_age_seconds', 'held', 'agent_info']);
  expect(found.get('reeve_host_up{host="web1"}')).toBe(0);
});

test('a host of an older agent has neither pressure nor inodes', async () => {
  const { pressure: _pressure, ...facts } = await createSimulatedHost().readFacts();
  const old = { ...facts, pressure: undefined, disks: facts.disks.map((disk) => ({ ...disk, inodesTotal: 0, inodesFree: 0 })) };
  const found = told({ ...notYet(now), state: 'connected', facts: { facts: old, lossy: false } });
  expect([...found.keys()].filter((name) => /pressure|inodes/.test(name))).toEqual([]);
});

test('the eight fullest file systems are told, each once', async () => {
  const facts = await createSimulatedHost().readFacts();
  const disks = Array.from({ length: 20 }, (_none, index) => ({ mount: `/m${String(index % 12)}`, type: 'ext4', totalBytes: 100, availableBytes: index, inodesTotal: 0, inodesFree: 0 }));
  const found = told({ ...notYet(now), state: 'connected', facts: { facts: { ...facts, disks }, lossy: false } });
  const used = [...found].filter(([name]) => name.startsWith('reeve_host_disk_used_ratio'));
  expect(used.map(([name, value]) => [name.slice(name.indexOf('mount=') + 7, -2), value])).toEqual([0, 1, 2, 3, 4, 5, 6, 7].map((index) => [`/m${String(index)}`, 1 - index / 100]));
});
