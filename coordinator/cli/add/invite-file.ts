import { closeSync, constants, fchmodSync, fsyncSync, openSync, renameSync, rmSync, writeSync } from 'node:fs';
import { ReeveError } from '../../../shared/errors/error.js';
import type { InviteHostResponse } from '../../../shared/gen/proto/reeve/coordinator/v1/InviteHostResponse.js';
import { fieldInvalid } from '../../../shared/model/field.js';
import { vis } from '../../../shared/model/vis.js';
import { toDuration } from '../../../shared/rpc/time.js';
import type { Context } from '../context.js';
import { formatJson, toJson } from '../json.js';
import { hostService } from '../service.js';
import { readHosts, type FileArguments, type Named } from './from.js';
import type { Shared } from './option.js';

/** How hosts of a file are invited. */
export interface InviteFile extends FileArguments {
  readonly ttlMs: number | undefined;
  readonly rejoin: boolean;
  /** File for the tokens; undefined: standard output. */
  readonly out: string | undefined;
}

/** One host of the file: invited, or in already. */
interface Invited {
  readonly name: string;
  readonly answer: InviteHostResponse | undefined;
}

/**
 * Invites every host of a file, one token each, for configuration management. Hosts that have joined are passed over. Everything in the file is judged before
 * the first host is invited. Errors: those of the file, and of InviteHost.
 */
export async function inviteFile(context: Context, args: InviteFile, shared: Shared): Promise<number> {
  const api = await context.api();
  const { hosts: known } = await api.call(hostService, 'ListHost', { selector: '' });
  const joined = new Set(known.filter((host) => host.state !== 'HOST_STATE_INVITED').map((host) => host.name));
  const named = await readHosts(context, args, shared);
  const invited: Invited[] = [];
  for (const host of named) {
    invited.push({ name: host.name, answer: joined.has(host.name) && !args.rejoin ? undefined : await api.call(hostService, 'InviteHost', requestOf(host, args)) });
  }
  const tokens = Object.fromEntries(invited.flatMap(({ name, answer }) => (answer === undefined ? [] : [[name, answer.token]])));
  const counts = `${String(Object.keys(tokens).length)} of ${String(named.length)} hosts are invited${named.length === Object.keys(tokens).length ? '' : '; the others have joined already'}.\n`;
  if (args.out !== undefined) {
    writeSecret(args.out, formatJson({ reeve_tokens: tokens }));
    if (context.json) context.terminal.out(formatJson({ hosts: invited.map(({ name, answer }) => ({ name, outcome: outcomeOf(answer), expiresAt: toJson(answer?.expiresAt) })) }));
    else context.terminal.out(`${counts}Their tokens are in ${vis(args.out)}, which only you can read. For Ansible: --extra-vars @${vis(args.out)}\n`);
    return 0;
  }
  if (context.json) context.terminal.out(formatJson({ hosts: invited.map(({ name, answer }) => ({ name, outcome: outcomeOf(answer), ...(answer === undefined ? {} : (toJson(answer) as object)) })) }));
  else {
    context.terminal.err(counts);
    context.terminal.out(invited.map(({ name, answer }) => (answer === undefined ? '' : `# ${vis(name)}\n${vis(answer.command)}\n`)).join(''));
  }
  return 0;
}

function outcomeOf(answer: InviteHostResponse | undefined): string {
  return answer === undefined ? 'present' : 'invited';
}

function requestOf(host: Named, args: InviteFile) {
  return {
    name: host.name,
    labels: [...host.labels],
    rejoin: args.rejoin,
    ...(args.ttlMs === undefined ? {} : { ttl: toDuration(args.ttlMs) }),
    ...(host.address === undefined ? {} : { address: host.address }),
    ...(host.parent === undefined ? {} : { parent: host.parent }),
    ...(host.link === undefined ? {} : { link: host.link }),
    ...(host.policy === undefined ? {} : { policy: host.policy }),
  };
}

/** Writes a file that nobody else can read, whole or not at all. Errors: FIELD_INVALID. */
function writeSecret(path: string, text: string): void {
  const staged = `${path}.new`;
  try {
    rmSync(staged, { force: true });
    const file = openSync(staged, constants.O_CREAT | constants.O_EXCL | constants.O_WRONLY | constants.O_NOFOLLOW, 0o600);
    try {
      fchmodSync(file, 0o600);
      const bytes = Buffer.from(text, 'utf8');
      for (let at = 0; at < bytes.length; at += writeSync(file, bytes, at)) continue;
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    renameSync(staged, path);
  } catch (error) {
    if (error instanceof ReeveError) throw error;
    throw fieldInvalid('--out', path, `a file that can be written (${error instanceof Error && 'code' in error ? String(error.code) : 'it cannot'})`);
  }
}
