import { randomUUID } from 'node:crypto';
import type { PrivdRequest, PrivdVerbName } from '../../shared/gen/privd.js';
import type { LabHost } from '../lab/lab.js';
import { toText } from './abuse-text.js';
import { startLineProgram } from './line-program.js';

/** What the helper answered: OK with the reply as JSON text, or the code and fields of the refusal. */
export interface HelperAnswer {
  readonly code: string;
  readonly reply?: string;
  readonly fields?: Readonly<Record<string, string>>;
}

/** Speaks to a host's helper as the agent's user, past the agent's own checks. */
export interface HelperCaller {
  /** One request; an operation id is made unless one is given. */
  call<V extends PrivdVerbName>(verb: V, request: PrivdRequest<V>, operation?: string): Promise<HelperAnswer>;
  close(): void;
}

const PROGRAM = '/usr/lib/reeve-agent/abuse-caller.mjs';

/** Starts a process of user reeve-agent in the host that calls the helper. */
export async function callHelper(host: LabHost): Promise<HelperCaller> {
  const { ask, close } = await startLineProgram(host, { entry: 'abuse-caller.ts', path: PROGRAM, as: 'reeve-agent' });
  return { call: async (verb, request, operation = randomUUID()) => JSON.parse(await ask(toText({ verb, operation, request }))) as HelperAnswer, close };
}
