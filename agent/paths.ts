import { dirname, join } from 'node:path';

/** Where the agent finds and keeps things. Every place is here; flags of the command line replace them for development and tests. */
export interface AgentPaths {
  /** What any coordinator may do on this host. */
  readonly policy: string;
  readonly config: string;
  /** Identity and journal. */
  readonly state: string;
  /** Socket of the helper. */
  readonly helper: string;
}

/** The places of an installed agent. */
export const defaultPaths: AgentPaths = {
  policy: '/etc/reeve/policy',
  config: '/etc/reeve/agent.conf',
  state: '/var/lib/reeve-agent',
  helper: '/run/reeve/priv.sock',
};

/** The file of local holds: beside the policy, written by root only. */
export function holdPath(paths: Pick<AgentPaths, 'policy'>): string {
  return join(dirname(paths.policy), 'hold');
}
/** The unit that runs the agent. */
export const agentUnit = 'reeve-agent.service';

/** Folders of the helper that hold what waits to be confirmed or undone. */
export const helperStateFolders: readonly string[] = ['/var/lib/reeve-privd/undo', '/var/lib/reeve-privd/pending'];

/** The account that the agent runs under. */
export const agentAccount = 'reeve-agent';

/** The helper's own program, which can also check a policy. */
export const helperProgram = '/usr/lib/reeve-agent/current/reeve-privd';

/** Folder of the key files that the helper manages, below that of sshd. */
export const keyFolder = '/etc/ssh/reeve-keys.d';
