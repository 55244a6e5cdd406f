import { createServer } from 'node:net';
import { fieldInvalid } from '../shared/model/field.js';

/** A port that the coordinator is about to use: what a person calls it, and the address it is bound on. */
export interface WantedPort {
  readonly field: string;
  readonly host: string;
  readonly port: number;
}

/** Refuses ports that are wanted twice or cannot be bound now, before anything is made that would keep them. Errors: FIELD_INVALID. */
export async function refuseTakenPorts(wanted: readonly WantedPort[]): Promise<void> {
  for (const [index, { field, host, port }] of wanted.entries()) {
    const twin = wanted.slice(0, index).find((other) => other.port === port);
    if (twin !== undefined) throw fieldInvalid(field, String(port), `another one than the ${twin.field}`);
    const code = await bindOnce(host, port);
    if (code !== undefined) throw fieldInvalid(field, String(port), `a port that this machine can listen on at ${host} (${code})`);
  }
}

/** Binds a port and lets it go. The system's word for why it cannot be, e.g. EADDRINUSE. */
function bindOnce(host: string, port: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? 'unknown'));
    server.listen({ host, port }, () => server.close(() => resolve(undefined)));
  });
}
