import { mkdtempSync } from 'node:fs';
import { join } from 'node:path';
import { openProfileStore, type Profile, type ProfileStore } from '../../coordinator/cli/profile.js';
import { logIn, type RemoteOptions } from '../../coordinator/cli/remote.js';
import { runCaptured, type Ran } from '../../coordinator/cli/testing/terminal.js';
import { reeveError } from '../../shared/errors/error.js';
import type { OperatorServiceDefinition } from '../../shared/gen/proto/reeve/coordinator/v1/OperatorService.js';
import { parseLoginToken } from '../../shared/model/join-token.js';
import { openChannel, serviceName, type Channel } from '../../shared/rpc/client.js';
import { clientCredentials } from '../../shared/rpc/tls.js';
import { scratchFolder, type LoopbackFleet } from './loopback-fleet.js';

const operators = serviceName<OperatorServiceDefinition>('reeve.coordinator.v1.OperatorService');
const answer = { deadlineMs: 20_000 };

/** An operator's account on another machine. */
export interface RemoteOperator {
  readonly name: string;
  readonly store: ProfileStore;
  readonly options: RemoteOptions;
  /** Runs `reeve` there. */
  reeve(line: readonly string[], input?: string): Promise<Ran>;
  profile(): Profile;
  /** A connection with the certificate that is stored now. Close it. */
  open(): Channel;
}

/** A login token's text. */
export async function inviteOperator(fleet: LoopbackFleet, name: string): Promise<string> {
  return (await fleet.api.unary(operators, 'InviteOperator', { name }, answer)).token;
}

/** An account that is not logged in yet, with its own folder and clock. */
export function otherMachine(fleet: LoopbackFleet, name: string, now: () => number = Date.now): RemoteOperator {
  const home = mkdtempSync(join(scratchFolder('operator'), 'home-'));
  const environment = { HOME: home };
  const store = openProfileStore(environment);
  const profile = (): Profile => {
    const stored = store.load();
    if (stored === undefined) throw new Error(`${name} is not logged in`);
    return stored;
  };
  return {
    name, store, profile,
    options: { store, signal: new AbortController().signal, now },
    reeve: (line, input) => runCaptured('', line, { environment, now, ...(input === undefined ? {} : { input }) }),
    open: () => {
      const { key, certificate, controlRoot } = profile();
      return openChannel({
        target: `ipv4:127.0.0.1:${String(fleet.operatorsPort)}`,
        credentials: clientCredentials({ key, certificate, trust: controlRoot }, () => undefined),
        unreachable: (reason) => reeveError('COORDINATOR_UNREACHABLE', { value: 'the operators’ port', reason }),
      });
    },
  };
}

/** Adds an operator, and logs it in on another machine. */
export async function remoteOperator(fleet: LoopbackFleet, name: string, about: { role: string; labels?: string[]; ttlMs?: number; now?: () => number }): Promise<RemoteOperator> {
  const certificateTtl = about.ttlMs === undefined ? {} : { certificateTtl: { seconds: about.ttlMs / 1000 } };
  await fleet.api.unary(operators, 'AddOperator', { name, role: about.role, labels: about.labels ?? [], ...certificateTtl }, answer);
  const machine = otherMachine(fleet, name, about.now);
  await logIn(parseLoginToken(await inviteOperator(fleet, name)), machine.options);
  return machine;
}
