import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { LabHost } from '../lab/lab.js';
import { parseCounts } from './abuse-program.js';

/** Where the helper listens. */
export const helperSocket = '/run/reeve/priv.sock';

/** What came back: connections with an answer, closed without one, not made at all; answers by status. */
export interface FloodResult {
  readonly answered: number;
  readonly closed: number;
  readonly unconnected: number;
  readonly statuses: ReadonlyMap<number, number>;
}

/** Sends messages to the helper as a user of the host, each over its own connection, 32 at a time. */
export async function flood(host: LabHost, options: { program: string; as: string; messages: readonly Buffer[] }): Promise<FloodResult> {
  const parts: Buffer[] = [];
  for (const message of options.messages) {
    const length = Buffer.alloc(4);
    length.writeUInt32BE(message.length);
    parts.push(length, message);
  }
  // Straight into the host's tree: no pipe of hundreds of megabytes.
  writeFileSync(join(host.rootDir, 'var/flood'), Buffer.concat(parts), { mode: 0o644 });
  const counts = parseCounts(await host.run(['runuser', '-u', options.as, '--', options.program, helperSocket, '/var/flood', '32'], { timeoutMs: 600_000 }));
  const count = (name: string): number => counts.get(name) ?? 0;
  const statuses = [...counts].filter(([name]) => name.startsWith('status-')).map(([name, value]) => [Number(name.slice(7)), value] as const);
  return { answered: count('answered'), closed: count('closed'), unconnected: count('unconnected'), statuses: new Map(statuses) };
}
