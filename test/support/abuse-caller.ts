/** Stands in for a taken-over agent: one request as JSON on each line of standard input, one answer of the helper on each line of output. Bundled into hosts. */
import { createInterface } from 'node:readline';
import { createPrivdClient } from '../../agent/host/privd.js';
import { ReeveError } from '../../shared/errors/error.js';
import type { PrivdRequest, PrivdVerbName } from '../../shared/gen/privd.js';
import { fromText, toText } from './abuse-text.js';

interface Line {
  readonly verb: PrivdVerbName;
  readonly operation: string;
  readonly request: PrivdRequest<PrivdVerbName>;
}

const client = createPrivdClient({ socketPath: '/run/reeve/priv.sock', timeoutMs: 90_000 });
for await (const text of createInterface({ input: process.stdin })) {
  const { verb, operation, request } = fromText(text) as Line;
  const answer = await client.call(verb, operation, request).then(
    (reply) => ({ code: 'OK', reply: toText(reply) }),
    (error: unknown) => (error instanceof ReeveError ? { code: error.code, fields: error.fields } : { code: String(error), fields: {} }),
  );
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
client.close();
