import { reeveError, ReeveError } from '../../shared/errors/error.js';
import { formatGrant, type BackupGrant } from '../../shared/model/backup-grant.js';
import { waitFor } from '../../shared/kit/deadline.js';
import type { Way } from '../desired/backup.js';
import { rsyncExit as snapshotExit } from '../desired/backup-judge.js';
import { currentKey } from '../inventory/key.js';
import type { HostRow } from '../inventory/host.js';
import type { World } from '../world.js';
import type { BackupFleet } from './backup-agent.js';
import { openSide, type Side, type SideEars, type SideResult } from './backup-side.js';
import { addressesOf } from './backup-way.js';

/** What is to be copied between two hosts. */
export interface CopyOrder {
  readonly runId: string;
  readonly jobId: string;
  readonly sender: HostRow;
  readonly receiver: HostRow;
  readonly bandwidthKib: number;
  /** Longest time of it. */
  readonly seconds: number;
  readonly what: BackupGrant['what'];
}

/** Who hears of a copy. */
export interface CopyEars extends SideEars {
  /** The two have reached each other. */
  readonly connected: (way: Way) => void;
  /** A side is not confined as it should be, because its machine does not give that. */
  readonly lacks: (host: HostRow, what: string) => void;
}

/** How a copy ended. */
export type CopyEnd =
  | { readonly kind: 'ended'; readonly sender: SideResult; readonly receiver: SideResult }
  /** A stream broke, or an agent refused; what a side said before that. */
  | { readonly kind: 'broken'; readonly error: unknown; readonly sender: SideResult | undefined; readonly receiver: SideResult | undefined };

/** For so long before and after now a grant may be used to connect, ms: clocks differ, and three ways take their time. */
const grantMs = { before: 60_000, after: 120_000 } as const;

/** Longest time for a side to get ready, and for one way to be tried, ms: longer than an agent needs for all addresses. */
const patienceMs = { ready: 30_000, way: 45_000 } as const;

/** For so long one side may still say how it ended when the other one has gone, or has failed, ms. */
const graceMs = { broken: 3_000, failed: 15_000 } as const;

/** Exit codes of rsync(1) that mean something here. */
const rsyncExit = { ...snapshotExit, lost: 12 } as const;

/** Has two agents copy, on the first way on which they reach each other. Errors: of getting that far; GRANT_REFUSED, BACKUP_FAILED, HOST_UNREACHABLE, what the agents say. */
export async function copyBetween(world: World, fleet: BackupFleet, order: CopyOrder, ears: CopyEars, signal: AbortSignal): Promise<CopyEnd> {
  const over = new AbortController();
  const ends = AbortSignal.any([signal, over.signal]);
  const deaf: SideEars = { progress: () => undefined, problem: () => undefined };
  try {
    const receiver = await openSide(fleet, order.receiver, ears, ends);
    const sender = await openSide(fleet, order.sender, deaf, ends);
    const grant = signGrant(world, order);
    await Promise.all([receiver.send({ start: { side: 'receiver', ...grant } }), sender.send({ start: { side: 'sender', ...grant } })]);
    // The two find each other while their processes get ready.
    const [way] = await Promise.all([connect(fleet, sender, receiver), ready(receiver, ears), ready(sender, ears)]);
    ears.connected(way);
    return await endsOf(sender, receiver, over);
  } finally {
    over.abort();
  }
}

function signGrant(world: World, order: CopyOrder): { grant: Buffer; signature: Buffer } {
  const now = world.clock.now();
  const sideOf = (host: HostRow): { host: string; key: string } => {
    const key = currentKey(world.db, host.id);
    if (key === undefined) throw reeveError('HOST_UNREACHABLE', { host: host.name, reason: 'it has no key' });
    return { host: host.id, key: key.fingerprint };
  };
  const { body, signature } = world.authority.signRecord('grant', formatGrant({
    fleet: world.authority.fleetId,
    run: order.runId,
    job: order.jobId,
    notBefore: now - grantMs.before,
    notAfter: now + grantMs.after,
    sender: sideOf(order.sender),
    receiver: sideOf(order.receiver),
    bandwidthKib: order.bandwidthKib,
    seconds: order.seconds,
    what: order.what,
  }));
  return { grant: body, signature };
}

async function ready(side: Side, ears: CopyEars): Promise<void> {
  const sandbox = await side.ready(patienceMs.ready);
  if (sandbox === undefined) throw reeveError('BACKUP_FAILED', { value: 'The copy', host: side.host.name, rule: 'its agent did not get ready' });
  if (sandbox !== 'full') ears.lacks(side.host, sandbox);
}

/** Tries the ways in their order; answers the one that leads there. Errors: BACKUP_FAILED. */
async function connect(fleet: BackupFleet, sender: Side, receiver: Side): Promise<Way> {
  const problems: string[] = [];
  for (const { way, dialler, listener } of [{ way: 'direct', dialler: sender, listener: receiver }, { way: 'reverse', dialler: receiver, listener: sender }] as const) {
    const problem = await dial(dialler, listener, addressesOf(listener.host, fleet.live(listener.host.id)));
    if (problem === undefined) return way;
    problems.push(`${way}: ${problem}`);
  }
  // The sender begins to speak at once: the receiver has to know that it comes this way.
  const sides = [receiver, sender];
  for (const side of sides) side.flush();
  sender.pump(receiver);
  receiver.pump(sender);
  for (const side of sides) await side.send({ connect: { through: true } });
  const problem = (await Promise.all(sides.map(connected))).find((said) => said !== undefined);
  if (problem === undefined) return 'coordinator';
  throw reeveError('BACKUP_FAILED', { value: 'The copy', host: receiver.host.name, rule: `the two hosts do not reach each other; ${[...problems, `through the coordinator: ${problem}`].join('; ')}`.slice(0, 1_500) });
}

/** Has one side listen and the other one dial it; answers why that failed. */
async function dial(dialler: Side, listener: Side, addresses: readonly string[]): Promise<string | undefined> {
  if (addresses.length === 0) return `no address of "${listener.host.name}" is known`;
  for (const side of [dialler, listener]) side.flush();
  await listener.send({ connect: { listen: true } });
  const said = await listener.control(patienceMs.way);
  if (said.kind !== 'listening' || said.port === 0) return said.kind === 'unreachable' ? said.reason : `"${listener.host.name}" does not listen`;
  await dialler.send({ connect: { dial: { addresses: [...addresses], port: said.port, mark: said.marks } } });
  return (await connected(dialler)) ?? (await connected(listener));
}

/** Why a side is not connected; undefined: it is. */
async function connected(side: Side): Promise<string | undefined> {
  let said = await side.control(patienceMs.way);
  // That it listens may be of a way that was given up.
  while (said.kind === 'listening') said = await side.control(patienceMs.way);
  if (said.kind === 'connected') return undefined;
  return said.kind === 'unreachable' ? said.reason : `"${side.host.name}" was not connected in time`;
}

/** Waits for both sides. One that broke, or failed, ends the other one, which may still say how it ended. */
async function endsOf(sender: Side, receiver: Side, over: AbortController): Promise<CopyEnd> {
  const both = [sender.ended, receiver.ended] as const;
  const grace = new AbortController();
  const late = async (): Promise<never> => {
    const [first, other] = await Promise.race([sender.ended.then((end) => [end, receiver] as const), receiver.ended.then((end) => [end, sender] as const)]);
    // A receiver may have much to write to the disk before it has ended; with one that failed there is nothing to wait for.
    await (isWhole(first) ? new Promise(() => undefined) : waitFor(graceMs.failed, grace.signal));
    throw reeveError('BACKUP_FAILED', { value: 'The copy', host: other.host.name, rule: 'it did not hear that the other side had ended: perhaps no packet passes between the two hosts any more' });
  };
  try {
    const [first, second] = await Promise.race([Promise.all(both), late()]);
    return { kind: 'ended', ...namedEnds({ sender, receiver }, first, second) };
  } catch (error) {
    await Promise.race([Promise.allSettled(both), waitFor(graceMs.broken, grace.signal)]);
    over.abort();
    const [first, second] = await Promise.allSettled(both);
    return { kind: 'broken', error, sender: first.status === 'fulfilled' ? named(sender, first.value) : undefined, receiver: second.status === 'fulfilled' ? named(receiver, second.value) : undefined };
  } finally {
    grace.abort();
  }
}

/** Whether there is something of a side that the other one may still work on. */
function isWhole({ exitCode }: SideResult): boolean {
  return exitCode === rsyncExit.ok || exitCode === rsyncExit.partial || exitCode === rsyncExit.vanished;
}

function named({ host }: Side, end: SideResult): SideResult {
  return end.reason === '' ? end : { ...end, reason: `on host "${host.name}": ${end.reason}` };
}

/** With the names of their hosts, unless both say the same; a side that only lost the other one says why that one failed. */
function namedEnds(sides: { readonly sender: Side; readonly receiver: Side }, first: SideResult, second: SideResult): { readonly sender: SideResult; readonly receiver: SideResult } {
  if (first.reason === second.reason) return { sender: first, receiver: second };
  const [sender, receiver] = [named(sides.sender, first), named(sides.receiver, second)];
  const follows = (end: SideResult, other: SideResult): boolean => end.exitCode === rsyncExit.lost && !isWhole(other) && other.exitCode !== rsyncExit.lost && other.reason !== '';
  return { sender: follows(sender, receiver) ? { ...sender, reason: receiver.reason } : sender, receiver: follows(receiver, sender) ? { ...receiver, reason: sender.reason } : receiver };
}

/** Whether an error says that a connection was lost, so that nobody knows what the host did. */
export function isLost(error: unknown): boolean {
  return error instanceof ReeveError && error.items.every(({ code }) => code === 'HOST_UNREACHABLE');
}
