import { X509Certificate } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { newId } from '../../shared/kit/id.js';
import { version } from '../../shared/kit/version.js';
import { ReeveError } from '../../shared/errors/error.js';
import { parsePolicy } from '../../shared/model/policy.js';
import { vis } from '../../shared/model/vis.js';
import { createPrivdClient } from '../host/privd.js';
import { becomeAccount, isRoot } from '../host/privilege.js';
import { readPolicyFile } from '../host/system.js';
import { readUpgradeNote } from '../host/upgrade.js';
import { readMachineHint } from '../host/facts.js';
import { openIdentityStore } from '../identity/store.js';
import { openTrustState, placed } from '../identity/trust.js';
import { agentAccount } from '../paths.js';
import { readReleased } from '../release/state.js';
import type { AgentOptions } from './options.js';
import { renewalFile } from './serve.js';

/** `reeve-agent status`: what this host's agent is, from its files and its helper. */
export async function runStatus(options: AgentOptions): Promise<void> {
  // The helper answers the agent's account only.
  if (isRoot() && !options.custom) becomeAccount(agentAccount);
  const { paths } = options;
  const identity = openIdentityStore(paths.state).load();
  const rows: [string, string][] = [['version', version]];
  if (identity === undefined) rows.push(['fleet', 'not joined']);
  else {
    const certificate = new X509Certificate(identity.certificate);
    const ends = Date.parse(certificate.validTo);
    rows.push(['host', `${identity.hostName} (${identity.hostId})`], ['fleet', identity.fleetId], ['coordinator', placed(identity, openTrustState(paths.state, identity, Date.now)).agentsApi.join(', ')]);
    rows.push(['certificate', `${ends > Date.now() ? 'good until' : 'expired on'} ${new Date(ends).toISOString()}`], ['renewal', describeRenewal(paths.state)]);
  }
  const released = identity === undefined ? undefined : readReleased(paths.state, identity.hostId);
  if (released !== undefined) rows.push(['released', `on ${new Date(released.at).toISOString()}: Reeve changes nothing here any more; "apt purge reeve-agent" takes it off`]);
  const hint = readMachineHint().toString('hex');
  if (identity?.machineHint !== undefined && identity.machineHint !== hint) rows.push(['machine', 'not the one that joined; if it is a copy of one: reeve-agent reset']);
  const policy = readPolicyFile(paths.policy, options.custom ? [0, process.geteuid?.() ?? 0] : [0]);
  rows.push(['policy', policy.kind === 'fault' ? `cannot be used: ${policy.reason}` : describePolicy(policy.text, policy.digest)]);
  rows.push(['helper', await describeHelper(paths.helper)]);
  const upgrade = readUpgradeNote();
  if (upgrade !== '') rows.push(['upgrade', upgrade]);
  process.stdout.write(rows.map(([name, value]) => `${name.padEnd(12)} ${vis(value)}\n`).join(''));
}

function describePolicy(text: string, digest: Buffer): string {
  const parsed = parsePolicy(text);
  const first = parsed.kind === 'problems' ? parsed.problems[0] : undefined;
  return first === undefined ? `ok (sha256 ${digest.toString('hex').slice(0, 16)})` : `cannot be used: line ${String(first.line)}: ${first.text}`;
}

function describeRenewal(state: string): string {
  const path = join(state, renewalFile);
  if (!existsSync(path)) return 'not due yet';
  const last = JSON.parse(readFileSync(path, 'utf8')) as { at?: number; code?: string; message?: string };
  const at = new Date(last.at ?? 0).toISOString();
  return last.code === '' ? `done on ${at}` : `failed on ${at}, and is tried again: ${last.message ?? ''}`;
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
