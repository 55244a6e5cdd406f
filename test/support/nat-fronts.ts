import { forEachLimited } from '../../shared/kit/queue.js';
import type { LabHost } from '../lab/lab.js';
import { startFleet, type TestFleet } from './fleet.js';
import { addFront, addGuest, bridgeOf, frontPolicy, insideOf } from './nat-fleet.js';
import { installProbe, watch, type Watch } from './nat-probe.js';
import { until } from './until.js';

/** Until a change is taken back, s: the least there is. */
export const confirmS = 10;
/** What taking it back may take besides, s. */
export const graceS = 5;

/** A front whose guest's agent is reached by a forward of it, and by nothing else. */
export interface Front {
  readonly host: LabHost;
  readonly guest: LabHost;
  /** A port of the same forward, asked from outside all the time. */
  readonly watch: Watch;
  /** PROTOCOL/PORT of the forward. */
  readonly forward: string;
}

/** A cut, as the desk saw it. */
export interface Cut {
  /** From the first connection that failed to the first that was made again, s. */
  readonly seconds: number;
  /** From the end of what a test did meanwhile to the first connection that was made again, s: after a reboot, since the machine runs again. */
  readonly sinceThen: number;
  /** What `reeve` said of it. */
  readonly code: number;
  readonly said: string;
}

/** Fronts side by side, and a desk that is managed and sees all of them from outside. */
export async function startFronts(name: string, count: number): Promise<{ fleet: TestFleet; fronts: readonly Front[] }> {
  const fleet = await startFleet({ name, hosts: ['desk'], packages: 'test', resident: true });
  try {
    const desk = fleet.host('desk');
    await installProbe(desk);
    const fronts: Front[] = [];
    // Two at a time: a dozen systemds that start at once are too slow for the deadlines of their own units.
    await forEachLimited(Array.from({ length: count }, (_none, index) => index), 2, async (index) => {
      fronts[index] = await startFront(fleet, desk, index + 1);
    });
    return { fleet, fronts };
  } catch (error) {
    fleet.close();
    throw error;
  }
}

async function startFront(fleet: TestFleet, desk: LabHost, number: number): Promise<Front> {
  const [name, guestName] = [`f${String(number)}`, `g${String(number)}`];
  const inside = insideOf(number);
  const { address } = inside.guest(1);
  await fleet.lab.addBridge(bridgeOf(number));
  const [host, guest] = await Promise.all([addFront(fleet, name, number), addGuest(fleet, guestName, number, 1)]);
  await fleet.join(name);
  await host.run(['sh', '-c', 'cat >>/etc/reeve/policy'], { input: frontPolicy });
  await fleet.json(['nat', 'masquerade', name, '--source', inside.network, '--yes']);
  // The second port is one that answers with a line; it is cut off and comes back with the agent's.
  await fleet.json(['nat', 'add', name, '--proto', 'tcp', '--port', '17420-17421', '--to', `${address}:7420-7421`, '--yes']);
  await fleet.join(guestName, { invite: ['--parent', name, '--address', `${host.address}:17420`] });
  const watched = watch(desk, host.address, 17421);
  await until(() => watched.open, { timeoutMs: 20_000, what: `the guest of ${name} to answer` });
  return { host, guest, watch: watched, forward: 'tcp/17420' };
}

/** Cuts the guest's agent off, does what a test wants in the window, waits until it is back, and takes the wish back too: all is as before. */
export async function cut(fleet: TestFleet, front: Front, meanwhile: () => Promise<unknown> = () => Promise.resolve()): Promise<Cut> {
  const { host, watch: watched, forward } = front;
  const seen = watched.changes.length;
  const command = fleet.reeve(['nat', 'disable', host.name, forward, '--confirm-timeout', `${String(confirmS)}s`, '--yes', '--json']);
  let ended = '';
  void command.then(({ stdout, stderr }) => (ended = stdout + stderr));
  const shut = await until(() => {
    if (ended !== '') throw new Error(`the command has ended, and the port answered ${String(watched.open)}: ${ended}`);
    return watched.changes.slice(seen).find(({ open }) => !open);
  }, { timeoutMs: 60_000, everyMs: 20, what: `the guest of ${host.name} to be cut off` });
  await meanwhile();
  const then = Date.now();
  const back = await until(() => watched.changes.slice(seen).findLast(({ open, at }) => open && at > shut.at && watched.open), { timeoutMs: 60_000, what: `the guest of ${host.name} to be back` });
  const { code, stdout, stderr } = await command;
  await fleet.waitState(host.name, 'connected', 90_000);
  await until(() => fleet.json(['nat', 'enable', host.name, forward, '--yes']), { timeoutMs: 60_000, everyMs: 300, what: `${host.name} to be wanted as it is` });
  await fleet.waitState(front.guest.name, 'connected', 90_000);
  if (!watched.open) throw new Error(`The guest of ${host.name} was cut off again after the change had been taken back`);
  return { seconds: (back.at - shut.at) / 1000, sinceThen: (back.at - then) / 1000, code, said: stdout + stderr };
}

/** Deals rounds out to the fronts, which work side by side; gives what each round came to. */
export async function sideBySide<T>(fronts: readonly Front[], rounds: number, round: (front: Front, number: number) => Promise<T>): Promise<T[]> {
  let next = 0;
  const results: T[] = [];
  const ended = await Promise.allSettled(fronts.map(async (front) => {
    for (let number = next++; number < rounds; number = next++) results.push(await round(front, number));
  }));
  const failed = ended.find((each) => each.status === 'rejected');
  if (failed !== undefined) throw failed.reason;
  return results;
}

/** Whether the guest was back in time: when the change had to be confirmed and a little later, or a little after a machine that was away for longer runs again. */
export function inTime({ seconds, sinceThen }: Cut): boolean {
  return seconds <= confirmS + graceS || sinceThen <= graceS;
}

/** "50 of 50 in time, 10.2 to 11.9 s". */
export function tell(cuts: readonly Cut[]): string {
  const range = (of: (each: Cut) => number): string => {
    const values = cuts.map(of).sort((a, b) => a - b);
    return `${(values[0] ?? 0).toFixed(1)} to ${(values.at(-1) ?? 0).toFixed(1)} s`;
  };
  return `${String(cuts.filter(inTime).length)} of ${String(cuts.length)} in time, ${range(({ seconds }) => seconds)}, ${range(({ sinceThen }) => sinceThen)} after what happened`;
}
