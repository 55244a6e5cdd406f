import { expect, test } from 'vitest';
import { createLog } from '../../shared/kit/log.js';
import { createSimulatedHost } from '../../test/support/simulated-host.js';
import { notYet, type Live } from '../fleet/live.js';
import { openDatabase } from '../inventory/database.js';
import { openHistory } from '../inventory/history.js';
import { addHost, setJoined } from '../inventory/host.js';
import { keepHistory } from './history.js';

const minute = 60_000;
const start = Date.parse('2026-03-01T00:00:00Z');
const idOf = (index: number): string => `01936f3e-8c2a-7c4e-9a3c-${index.toString(16).padStart(12, '0')}`;

async function kept(count: number): Promise<{ lives: Map<string, Live>; look: (atMs: number) => void; points: (hostId: string) => number[] }> {
  const db = openDatabase(':memory:');
  const history = openHistory(':memory:', { log: createLog('test', 'silent') });
  const lives = new Map<string, Live>();
  const { ...facts } = await createSimulatedHost().readFacts();
  for (let index = 0; index < count; index += 1) {
    const id = idOf(index);
    addHost(db, { id, name: `host${String(index)}`, endpoint: undefined, parentId: undefined, now: start });
    setJoined(db, id, { now: start, from: undefined, agentVersion: 'x', machineHint: undefined });
    lives.set(id, { ...notYet(start), state: 'connected', facts: { facts, lossy: false } });
  }
  let now = start;
  const keeper = keepHistory({ db, history, clock: { now: () => now, monotonic: () => now } }, { live: (hostId) => lives.get(hostId) ?? notYet(start) });
  keeper.close();
  return {
    lives,
    look: (atMs) => {
      now = atMs;
      keeper.look();
    },
    points: (hostId) => history.points(hostId, 0).map(({ atMs }) => (atMs - start) / minute),
  };
}

test('each host is noted once in ten minutes, spread over them', async () => {
  const { look, points } = await kept(20);
  for (let at = 1; at <= 30; at += 1) look(start + at * minute);
  for (let index = 0; index < 20; index += 1) {
    const times = points(idOf(index));
    expect(times, idOf(index)).toHaveLength(3);
    expect(times.map((at) => at % 10)).toEqual(times.map(() => index % 10));
  }
});

test('a look that came late notes those whose minute has passed', async () => {
  const { look, points } = await kept(20);
  look(start + 2 * minute);
  look(start + 2 * minute + 100);
  look(start + 9 * minute + 59_999);
  for (let index = 0; index < 20; index += 1) expect(points(idOf(index))).toHaveLength(index % 10 === 0 ? 0 : 1);
});

test('a host that is lost, or tells nothing, has no points', async () => {
  const { lives, look, points } = await kept(2);
  const [first, second] = [idOf(0), idOf(1)].map((id) => lives.get(id));
  if (first === undefined || second === undefined) throw new Error('they were just made');
  lives.set(idOf(0), { ...first, state: 'lost' });
  lives.set(idOf(1), { ...second, facts: undefined });
  look(start + 10 * minute);
  expect([...points(idOf(0)), ...points(idOf(1))]).toEqual([]);
});

test('a clock that was set back is followed', async () => {
  const { look, points } = await kept(10);
  look(start + 600 * minute);
  look(start + 301 * minute);
  expect(points(idOf(1)).sort((a, b) => a - b)).toEqual([301, 600]);
});
