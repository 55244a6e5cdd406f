#!/usr/bin/env node
import { systemClock } from '../../shared/kit/clock.js';
import { version } from '../../shared/kit/version.js';
import { runLine } from './run.js';
import { systemTerminal } from './terminal.js';

const abort = new AbortController();
for (const name of ['SIGINT', 'SIGTERM'] as const) {
  process.on(name, () => {
    if (abort.signal.aborted) process.exit(130);
    abort.abort();
  });
}
/* A reader that goes away, like head(1), ends the command without a fuss. */
process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 70));

process.exitCode = await runLine(
  { terminal: systemTerminal(process.env), clock: systemClock, signal: abort.signal, environment: process.env, version },
  process.argv.slice(2),
);
