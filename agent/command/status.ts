import { X509Certificate } from 'node:crypto';
import { newId } from '../../shared/kit/id.js';
import { version } from '../../shared/kit/version.js';
import { ReeveError } from '../../shared/errors/error.js';
import { describeHold } from '../../shared/model/hold.js';
import { parsePolicy } from '../../shared/model/policy.js';
import { vis } from '../../shared/model/vis.js';
import { holdPlace, localHolds, localOwners } from '../hold/change.js';
import { isHeld } from '../host/guard.js';
import { describePending, readPending } from '../host/pending.js';
import { createPrivdClient } from '../host/privd.js';
import { becomeAccount, isRoot } from '../host/privilege.js';
import { readPolicyFile } from '../host/system.js';
import { readUpgradeNote } from '../host/upgrade.js';
import { readMachineHint } from '../host/facts.js';
import { readRenewal } from '../identity/renewal-file.js';
import { openIdentityStore } from '../identity/store.js';
import { openTrustState, placed } from '../identity/trust.js';
import { readReleased } from '../release/state.js';
import type { Entry } from '../journal/entry.js';
import { readJournal } from '../journal/summary.js';
import { controlSocket } from '../local/client.js';
import { agentAccount } from '../paths.js';
import { holdJson } from './hold.js';
import type { AgentOptions } from './options.js';
import { renderUndo } from './undo.js';

/** Operations that are shown. */
const shownOperations = 5;

/** `reeve-agent status`: what this host's agent is, from its files and its helper. Needs neither the daemon nor a coordinator. */
export async function runStatus(options: AgentOptions): Promise<void> {
  // The helper answers the agent's account only, and the state folder is that account's.
  if (isRoot() && !options.custom) becomeAccount(agentAccount);
  const { paths } = options;
  const journal = readJournal(paths.state);
  const policy = readPolicyFile(paths.policy, localOwners(options.custom));
  const known = {
    version,
    ...identityOf(paths.state),
    agent: (await isHeld(controlSocket(paths.state))) ? 'running' : 'not running',
    policy: policy.kind === 'fault' ? `cannot be used: ${policy.reason}` : describePolicy(policy.text, policy.digest),
    helper: await describeHelper(paths.helper),
    ...describePending((await readPending(paths.helper)) ?? { change: [], reverted: [] }),
    holds: localHolds(holdPlace(paths, options.custom)),
    open: journal.entries.filter((entry) => entry.endedAt === undefined).length,
    operations: journal.entries.slice(-shownOperations).reverse(),
    undos: [...journal.undos].reverse(),
    upgrade: readUpgradeNote(),
  };
  process.stdout.write(options.given.has('--json') ? `${JSON.stringify(toDocument(known), undefined, 2)}\n` : toText(known));
}

/** What is known of the agent. */
interface Known extends IdentityFacts {
  readonly version: string;
  readonly agent: string;
  readonly policy: string;
  readonly helper: string;
  /** Changes that revert by themselves unless they are confirmed, and the last that did. */
  readonly pending: readonly string[];
  readonly reverted: readonly string[];
  readonly holds: ReturnType<typeof localHolds>;
  /** Operations begun and not ended. */
  readonly open: number;
  readonly operations: readonly Entry[];
  readonly undos: ReturnType<typeof readJournal>['undos'];
  /** What became of the last upgrade, when it was not good; else empty. */
  readonly upgrade: string;
}

interface IdentityFacts {
  readonly host: string;
  readonly hostId: string;
  readonly fleet: string;
  readonly coordinator: readonly string[];
  readonly certificateEnds: string;
  readonly renewal: string;
  /** When the host was released; empty: it was not. */
  readonly released: string;
  /** Whether this is not the machine that joined. */
  readonly copied: boolean;
}

function identityOf(state: string): IdentityFacts {
  const identity = openIdentityStore(state).load();
  if (identity === undefined) return { host: '', hostId: '', fleet: '', coordinator: [], certificateEnds: '', renewal: '', released: '', copied: false };
  const ends = new Date(Date.parse(new X509Certificate(identity.certificate).validTo)).toISOString();
  const released = readReleased(state, identity.hostId);
  return {
    host: identity.hostName, hostId: identity.hostId, fleet: identity.fleetId, coordinator: placed(identity, openTrustState(state, identity, Date.now)).agentsApi, certificateEnds: ends, renewal: describeRenewal(state),
    released: released === undefined ? '' : new Date(released.at).toISOString(),
    copied: identity.machineHint !== undefined && identity.machineHint !== readMachineHint().toString('hex'),
  };
}

function toText(known: Known): string {
  const rows: [string, string][] = [['version', known.version], ['agent', known.agent]];
  if (known.hostId === '') rows.push(['fleet', 'not joined']);
  else {
    const good = Date.parse(known.certificateEnds) > Date.now();
    rows.push(['host', `${known.host} (${known.hostId})`], ['fleet', known.fleet], ['coordinator', known.coordinator.join(', ')]);
    rows.push(['certificate', `${good ? 'good until' : 'expired on'} ${known.certificateEnds}`], ['renewal', known.renewal]);
  }
  if (known.released !== '') rows.push(['released', `on ${known.released}: Reeve changes nothing here any more; "apt purge reeve-agent" takes it off`]);
  if (known.copied) rows.push(['machine', 'not the one that joined; if it is a copy of one: reeve-agent reset']);
  rows.push(['policy', known.policy], ['helper', known.helper]);
  for (const text of known.pending) rows.push(['pending', text]);
  for (const text of known.reverted) rows.push(['reverted', text]);
  if (known.upgrade !== '') rows.push(['upgrade', known.upgrade]);
  for (const hold of known.holds) rows.push(['hold', `${hold.noun === '' ? 'all nouns' : `noun ${hold.noun}`}: ${describeHold(hold)}`]);
  if (known.open > 0) rows.push(['open', `${String(known.open)} operations that began and have not ended; the agent finishes them when it runs`]);
  const text = rows.map(([name, value]) => `${name.padEnd(12)} ${vis(value)}\n`).join('');
  const operations = known.operations.map((entry) => `  ${new Date(entry.endedAt ?? entry.receivedAt).toISOString()}  ${entry.noun}  ${stateOf(entry)}  ${entry.id}${entry.undoes.length === 0 ? '' : '  (undo)'}\n`).join('');
  const undos = known.undos.map((undo) => `  ${undo.noun}  ${renderUndo(undo)}`).join('');
  return `${text}${operations === '' ? '' : `\nLast operations\n${operations}`}${undos === '' ? '' : `\nCan be taken back (reeve-agent undo NOUN)\n${undos}`}`;
}

function stateOf(entry: Entry): string {
  return entry.endedAt === undefined ? 'open' : entry.state;
}

function toDocument(known: Known): unknown {
  const at = (ms: number): string => new Date(ms).toISOString();
  return {
    ...known,
    holds: known.holds.map(holdJson),
    operations: known.operations.map((entry) => ({
      id: entry.id, noun: entry.noun, generation: entry.generation, state: stateOf(entry), receivedAt: at(entry.receivedAt), endedAt: entry.endedAt === undefined ? null : at(entry.endedAt), undoes: entry.undoes,
    })),
    undos: known.undos.map((undo) => ({ ...undo, at: at(undo.at) })),
  };
}

function describePolicy(text: string, digest: Buffer): string {
  const parsed = parsePolicy(text);
  const first = parsed.kind === 'problems' ? parsed.problems[0] : undefined;
  return first === undefined ? `ok (sha256 ${digest.toString('hex').slice(0, 16)})` : `cannot be used: line ${String(first.line)}: ${first.text}`;
}

function describeRenewal(state: string): string {
  const last = readRenewal(state);
  if (last === undefined) return 'not due yet';
  const at = new Date(last.at).toISOString();
  return last.code === '' ? `done on ${at}` : `failed on ${at}, and is tried again: ${last.message}`;
}

async function describeHelper(socketPath: string): Promise<string> {
  const client = createPrivdClient({ socketPath, timeoutMs: 10_000 });
  try {
    const status = await client.call('status.get', newId(Date.now()), {});
    return `ok (version ${status.version}, policy ${status.policyState}, audit record ${String(status.auditSeq)}, audit ${status.auditState})`;
  } catch (error) {
    if (error instanceof ReeveError) return `does not answer: ${error.fields['reason'] ?? error.code}`;
    throw error;
  } finally {
    client.close();
  }
}
