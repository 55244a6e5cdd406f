import { randomBytes } from 'node:crypto';
import { PassThrough } from 'node:stream';
import type { Job, JobEvent } from '../../agent/host/job.js';
import { reeveError } from '../../shared/errors/error.js';
import { createEventQueue } from '../../shared/kit/event-queue.js';
import { unitFloor } from '../../shared/model/unit.js';

/** A unit of a simulated host. */
export interface SimulatedUnit {
  active: string;
  sub: string;
  result: string;
  pid: number;
  /** Why its next starts fail; undefined: they do not. */
  fails: string | undefined;
  readonly log: string[];
}

/** The units of a simulated host; tests may change them. */
export interface SimulatedUnits {
  readonly units: Map<string, SimulatedUnit>;
  /** Every piece of work that began, oldest first: "restart web.service". */
  readonly works: string[];
  /** Those that go on. */
  readonly running: Set<string>;
  /** A piece of work waits for this before it ends. */
  gate: (work: string) => Promise<void>;
  /** Writes a line; whoever follows that unit sees it. */
  write(unit: string, line: string): void;
  /** Work that was asked for, by ticket. */
  readonly tickets: Map<string, Asked & { readonly verb: string }>;
  /** Who follows. */
  readonly readers: Set<(unit: string, line: string) => void>;
}

type Asked = Readonly<Record<string, string | number | boolean | Uint8Array | undefined>>;

/** Units of a host with an agent and nothing else. */
export function createSimulatedUnits(): SimulatedUnits {
  const units = new Map<string, SimulatedUnit>();
  const readers = new Set<(unit: string, line: string) => void>();
  const made: SimulatedUnits = {
    units, readers, works: [], running: new Set(), gate: () => Promise.resolve(), tickets: new Map(),
    write(unit, line) {
      unitOf(made, unit).log.push(line);
      for (const read of readers) read(unit, line);
    },
  };
  for (const name of ['reeve-agent.service', 'reeve-privd.service']) addSimulatedUnit(made, name);
  return made;
}

/** Puts one there that runs. */
export function addSimulatedUnit({ units }: SimulatedUnits, name: string): SimulatedUnit {
  const unit: SimulatedUnit = { active: 'active', sub: 'running', result: 'success', pid: 4242, fails: undefined, log: [] };
  units.set(name, unit);
  return unit;
}

function unitOf({ units }: SimulatedUnits, name: string): SimulatedUnit {
  const unit = units.get(name);
  if (unit === undefined) throw new Error(`there is no unit ${name} on this simulated host`);
  return unit;
}

/** A verb of units; undefined: it is none. */
export function answerUnitVerb(state: SimulatedUnits, verb: string, asked: Asked): object | undefined {
  if (!/^unit\.(?:status|restart|log)$/.test(verb)) return undefined;
  const rule = verb === 'unit.restart' ? unitFloor(String(asked['unit'])) : undefined;
  if (rule !== undefined) throw reeveError('UNIT_PROTECTED', { value: String(asked['unit']), rule });
  const ticket = randomBytes(16).toString('hex');
  state.tickets.set(ticket, { ...asked, verb });
  return { ticket };
}

type Fields = Readonly<Record<string, string>>;

const resultOf = (fields: Fields): JobEvent => ({ kind: 'result', fields: new Map(Object.entries(fields).map(([key, value]) => [key, [Buffer.from(value)]])) });

/** Takes up the work of a ticket. Errors: HELPER_UNREACHABLE. */
export function openSimulatedUnitJob(state: SimulatedUnits, ticket: string): Promise<Job> {
  const asked = state.tickets.get(ticket);
  if (!state.tickets.delete(ticket) || asked === undefined) return Promise.reject(reeveError('HELPER_UNREACHABLE', { reason: 'there is no such ticket' }));
  const events = createEventQueue<JobEvent>();
  const data = new PassThrough();
  const broken = reeveError('HELPER_UNREACHABLE', { reason: 'it was ended' });
  const closed = new Promise<void>((resolve) => data.once('close', resolve));
  const work = `${asked.verb.slice('unit.'.length)} ${String(asked['unit'] ?? asked['units'])}${asked['plan'] === true ? ' plan' : ''}`;
  state.works.push(work);
  state.running.add(work);
  const run = async (): Promise<void> => {
    await Promise.race([state.gate(work), closed]);
    if (asked.verb === 'unit.log') await follow(state, asked, events, closed);
    else events.push(resultOf(stateOf(state, asked)));
    events.end();
  };
  void run().catch((error: unknown) => events.end(error as Error)).finally(() => state.running.delete(work));
  return Promise.resolve({
    data, events,
    input: () => Promise.resolve(),
    close: () => {
      data.destroy();
      events.end(broken);
    },
  });
}

async function follow(state: SimulatedUnits, asked: Asked, events: ReturnType<typeof createEventQueue<JobEvent>>, closed: Promise<void>): Promise<void> {
  const names = String(asked['units']).split(',');
  const tell = (unit: string, line: string): void => {
    if (names.includes(unit)) events.push({ kind: 'output', bytes: exported(unit, line) });
  };
  for (const name of names) for (const line of (state.units.get(name)?.log ?? []).slice(-Number(asked['lines']))) tell(name, line);
  if (asked['follow'] === true) {
    state.readers.add(tell);
    await closed;
    state.readers.delete(tell);
    return;
  }
  events.push(resultOf({ ok: '1' }));
}

/** A line in the Journal Export Format, its message with a length. */
function exported(unit: string, line: string): Buffer {
  const message = Buffer.from(line);
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(message.length));
  return Buffer.concat([Buffer.from(`__REALTIME_TIMESTAMP=1750000000000000\n_SYSTEMD_UNIT=${unit}\nPRIORITY=4\nMESSAGE\n`), length, message, Buffer.from('\n\n')]);
}

function stateOf(state: SimulatedUnits, asked: Asked): Fields {
  const name = String(asked['unit']);
  const unit = state.units.get(name);
  if (unit === undefined && asked.verb === 'unit.restart') return { ok: '0', reason: 'there is no such unit' };
  if (unit === undefined) return { ok: '1', unit: name, load: 'not-found', active: 'inactive', sub: 'dead', result: 'success' };
  if (asked.verb === 'unit.restart' && asked['plan'] !== true) {
    const failed = unit.fails !== undefined;
    Object.assign(unit, failed ? { active: 'failed', sub: 'failed', result: 'exit-code', pid: 0 } : { active: 'active', sub: 'running', result: 'success', pid: unit.pid + 1 });
    if (failed) return { ok: '0', reason: unit.fails ?? '' };
  }
  return { ok: '1', unit: name, load: 'loaded', active: unit.active, sub: unit.sub, result: unit.result, pid: String(unit.pid), restarts: '0', memory: '1048576', 'since-ms': '1750000000000', code: '0', status: '0' };
}
