/** A real coordinator in a process of its own, with room for many joins at once. Arguments: state folder, socket. */
import { pino } from 'pino';
import { startCoordinator } from '../../coordinator/coordinator.js';
import { systemClock } from '../../shared/kit/clock.js';
import { peercred } from './loopback-fleet.js';
import { answerRequests } from './process-message.js';

const [stateDir = '', socketPath = ''] = process.argv.slice(2);
const started = startCoordinator({
  stateDir, socketPath, peercred, bind: '127.0.0.1', operatorsBind: undefined, clock: systemClock, log: pino({ level: process.env['REEVE_TEST_LOG'] ?? 'silent' }),
  enrolLimits: { perAddress: 10_000, total: 10_000 },
  onBug: (error) => {
    process.stderr.write(`coordinator: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
    process.exit(70);
  },
});

answerRequests(async () => {
  await started;
  return process.memoryUsage().rss;
});
