import { connect } from 'node:net';
import { join } from 'node:path';
import { ReeveError, reeveError } from '../../shared/errors/error.js';
import type { LocalReply, LocalRequest } from './protocol.js';

/** The agent's socket for root, in its state folder. */
export function controlSocket(stateDir: string): string {
  return join(stateDir, 'control.sock');
}

/** Asks whoever has the state folder. Errors: what it says; UNDO_INTERRUPTED when the connection ends without an answer. */
export async function askLocal(path: string, request: LocalRequest): Promise<Exclude<LocalReply, { kind: 'failed' }>> {
  const text = await exchange(path, `${JSON.stringify(request)}\n`);
  if (!text.endsWith('\n')) throw reeveError('UNDO_INTERRUPTED', { noun: request.noun });
  const reply = JSON.parse(text) as LocalReply;
  if (reply.kind === 'failed') throw new ReeveError(reply.errors);
  return reply;
}

function exchange(path: string, line: string): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect({ path });
    let text = '';
    socket.setEncoding('utf8');
    socket.on('connect', () => socket.write(line));
    socket.on('data', (chunk: string) => (text += chunk));
    // The error says less than the missing answer.
    socket.on('error', () => undefined);
    socket.on('close', () => resolve(text));
  });
}
