import type { Socket } from 'node:net';
import { errorItems } from '../../shared/errors/error.js';
import type { Logger } from '../../shared/kit/log.js';
import type { LocalUndo } from '../undo/undo.js';
import { mostLineBytes, parseLocalRequest, type LocalReply, type LocalRequest } from './protocol.js';

/** Answers root of the host on one connection: one request, one reply. */
export function answerLocal(undo: LocalUndo, log: Logger): (socket: Socket) => void {
  return (socket) => {
    let text = '';
    socket.setEncoding('utf8');
    socket.on('data', (chunk: string) => {
      text += chunk;
      if (text.length > mostLineBytes) socket.destroy();
      const end = text.indexOf('\n');
      if (end < 0) return;
      const line = text.slice(0, end);
      text = '';
      socket.pause();
      void reply(undo, log, line).then((answer) => socket.end(`${JSON.stringify(answer)}\n`));
    });
  };
}

async function reply(undo: LocalUndo, log: Logger, line: string): Promise<LocalReply> {
  try {
    return await carryOut(undo, parseLocalRequest(line), log);
  } catch (error) {
    const errors = errorItems(error, 'the log of the agent');
    if (errors[0]?.code === 'INTERNAL') log.error({ err: error }, 'a request of root failed in a way that is not in the catalogue');
    return { kind: 'failed', errors };
  }
}

async function carryOut(undo: LocalUndo, request: LocalRequest, log: Logger): Promise<LocalReply> {
  if (request.ask === 'plan') return { kind: 'offer', offer: await undo.plan(request.noun, request.to) };
  log.warn({ noun: request.noun, operationId: request.operationId, undoes: request.targets }, 'root of this host takes operations back');
  await undo.apply(request.noun, request);
  return { kind: 'done' };
}
