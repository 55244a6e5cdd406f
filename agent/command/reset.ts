import { createInterface } from 'node:readline/promises';
import { reeveError } from '../../shared/errors/error.js';
import { failpoint } from '../../shared/kit/failpoint.js';
import { emptyFolder, removeWhole } from '../host/file.js';
import { becomeAccount, isRoot } from '../host/privilege.js';
import { isSystemdRunning, stopUnit } from '../host/service.js';
import { openIdentityStore } from '../identity/store.js';
import { agentAccount, agentUnit, helperStateFolders, holdPath } from '../paths.js';
import type { AgentOptions } from './options.js';

/**
 * `reeve-agent reset`: this host is nobody's any more, and can be made an image of. Identity, keys, journal and everything else in the state folder goes, and
 * changes of the helper that wait to be confirmed or undone, and holds; policy, agent.conf, accounts, their markers and the audit stay. What is interrupted is finished
 * by a repeat. Errors: FIELD_MISSING (nobody can be asked), FIELD_INVALID (not root), CANCELLED, TOOL_FAILED (the daemon cannot be stopped), IO_FAILED.
 */
export async function runReset(options: AgentOptions, yes: boolean): Promise<void> {
  if (!options.custom && !isRoot()) throw reeveError('FIELD_INVALID', { field: 'account', value: String(process.geteuid?.() ?? '?'), rule: 'only root of this host may reset its agent' });
  if (!yes) await askSure();
  if (!options.custom) {
    // A daemon that ran on would write its journal anew.
    if (isSystemdRunning()) stopUnit(agentUnit);
    removeWhole(holdPath(options.paths));
    for (const folder of helperStateFolders) emptyFolder(folder);
    // What is in the agent's own folder was written by its account, and is removed by it: root follows no path there.
    becomeAccount(agentAccount);
  }
  openIdentityStore(options.paths.state).forgetAll();
  failpoint('agent.reset.emptied');
  emptyFolder(options.paths.state);
  process.stdout.write('This host belongs to no fleet any more; its accounts, policy and agent.conf are as they were.\nTo join one: the line that "reeve host invite" prints.\n');
}

async function askSure(): Promise<void> {
  if (!process.stdin.isTTY) throw reeveError('FIELD_MISSING', { field: '--yes', rule: 'nobody can be asked here; add --yes to forget the identity of this host without a question' });
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  try {
    const answer = await terminal.question('Forget the identity of this host? It can then only join again with a new invitation. [y/N] ');
    if (!/^y(?:es)?$/i.test(answer)) throw reeveError('CANCELLED');
  } finally {
    terminal.close();
  }
}
