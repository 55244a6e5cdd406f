import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { reeveError } from '../../shared/errors/error.js';
import { formatCheck, formatVerdict, runChecks, type Check } from '../../shared/model/check.js';
import { coordinatorStep } from '../doctor/coordinator.js';
import { fileSteps } from '../doctor/file.js';
import { identitySteps } from '../doctor/identity.js';
import type { DoctorPlace } from '../doctor/place.js';
import { agentUnits, serviceSteps } from '../doctor/service.js';
import { becomeAccount, isRoot } from '../host/privilege.js';
import { readUnits } from '../host/unit.js';
import { agentAccount } from '../paths.js';
import type { AgentOptions } from './options.js';

/** `reeve-agent doctor`: what is wrong on this host, with or without agent and coordinator. True: nothing failed. */
export async function runDoctor(options: AgentOptions): Promise<boolean> {
  const uid = agentUidOf(options);
  if (!isRoot() && process.geteuid?.() !== uid) throw reeveError('FIELD_INVALID', { field: 'account', value: String(process.geteuid?.() ?? ''), rule: `run it as root, or as ${agentAccount}` });
  // Before anything else is given up: systemd answers root on every host, others only where there is a message bus.
  const units = options.custom ? undefined : readUnits(Object.values(agentUnits));
  // Then as the agent itself, so that what it cannot read is found, and the helper answers.
  if (isRoot() && !options.custom) becomeAccount(agentAccount);
  const place: DoctorPlace = { options, hostName: hostname(), agentUid: uid, units, now: Date.now, signal: AbortSignal.timeout(120_000) };
  const { config, ownership, policy, disk, journal } = fileSteps(place);
  const { steps: me, identity } = identitySteps(place);
  const { units: unit, helper, audit, pending, port } = serviceSteps(place);
  const steps = [config, ownership, me.identity, me.certificate, me.clock, policy, unit, helper, audit, pending, port, coordinatorStep(place, identity), disk, journal, me.renewal];
  const checks: Check[] = [];
  for await (const check of runChecks(steps)) {
    checks.push(check);
    if (!options.given.has('--json')) process.stdout.write(formatCheck(check));
  }
  const healthy = checks.every((check) => check.state !== 'failed');
  process.stdout.write(options.given.has('--json') ? formatDocument(place.hostName, healthy, checks) : `\n${formatVerdict(checks, 'This host')}`);
  return healthy;
}

function agentUidOf(options: AgentOptions): number {
  if (options.custom) return process.geteuid?.() ?? 0;
  const line = readFileSync('/etc/passwd', 'utf8').split('\n').find((entry) => entry.startsWith(`${agentAccount}:`));
  const uid = Number(line?.split(':')[2]);
  if (!Number.isInteger(uid)) throw reeveError('FIELD_INVALID', { field: 'account', value: agentAccount, rule: 'the agent package makes it; install that first' });
  return uid;
}

/** One JSON document; what is not ASCII is escaped. */
function formatDocument(host: string, healthy: boolean, checks: readonly Check[]): string {
  const text = JSON.stringify({ host, healthy, checks: checks.map((check) => ({ ...check, fix: check.fix ?? null })) }, undefined, 2);
  return `${text.replace(/[\u007f-\uffff]/g, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`)}\n`;
}
