import { join } from 'node:path';
import { reeveError } from '../../shared/errors/error.js';
import { parseJoinToken } from '../../shared/model/join-token.js';
import { vis } from '../../shared/model/vis.js';
import { readMachineHint } from '../host/facts.js';
import { makeFolder } from '../host/file.js';
import { becomeAccount, isRoot } from '../host/privilege.js';
import { joinFleet } from '../identity/enrol.js';
import { openIdentityStore } from '../identity/store.js';
import { agentAccount } from '../paths.js';
import type { AgentOptions } from './options.js';

/** Longest token text, bytes. */
const tokenBytes = 8192;

/** `reeve-agent join`: the token comes on standard input, because everybody can read the arguments of a process. */
export async function runJoin(options: AgentOptions): Promise<void> {
  const joinToken = parseJoinToken(await readStandardInput());
  // The files belong to the agent, and nothing that talks to the network is root.
  if (isRoot() && !options.custom) becomeAccount(agentAccount);
  makeFolder(join(options.paths.state, 'identity'));
  const store = openIdentityStore(options.paths.state);
  const identity = await joinFleet({ store, machineHint: readMachineHint(), now: Date.now }, joinToken);
  store.forgetOld();
  process.stdout.write(`Joined fleet ${identity.fleetId} as "${vis(identity.hostName)}" (${identity.hostId}).\n`);
}

async function readStandardInput(): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of process.stdin as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > tokenBytes) throw reeveError('LIMIT_EXCEEDED', { field: 'join token', rule: `at most ${String(tokenBytes)} bytes` });
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}
