import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { bundle } from '../../packaging/bundle.js';
import type { PrivdRequest, PrivdVerbName } from '../../shared/gen/privd.js';
import type { LabHost } from '../lab/lab.js';
import { toText } from './abuse-text.js';

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
  const code = await bundle({ root: join(import.meta.dirname, '../..'), entry: 'test/support/abuse-caller.ts', version: '0', testBuild: false });
  await host.write(PROGRAM, code.code, 0o755);
  const child = host.spawn(['runuser', '-u', 'reeve-agent', '--', '/usr/lib/reeve/node', PROGRAM]);
  if (child.stdin === null || child.stdout === null) throw new Error('a process without pipes');
  const { stdin } = child;
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return {
    async call(verb, request, operation = randomUUID()) {
      stdin.write(`${toText({ verb, operation, request })}\n`);
      const line = await lines.next();
      if (line.done === true) throw new Error('the caller ended');
      return JSON.parse(line.value) as HelperAnswer;
    },
    close: () => stdin.end(),
  };
}
