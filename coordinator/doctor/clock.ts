import { advise, failed, fine, run, warning, type Finding, type Fix } from '../../shared/model/check.js';

/** Differences that are a warning, and that refuse changes, ms. */
const limits = { warnMs: 5 * 60_000, refuseMs: 10 * 60_000 };

/** Both clocks, and who of the two is probably wrong. */
export interface ClockQuestion {
  readonly hostName: string;
  /** The coordinator's clock, unix ms. */
  readonly now: number;
  /** The host's clock minus the coordinator's, ms. */
  readonly offsetMs: number;
  /** The same of other connected hosts. */
  readonly othersMs: readonly number[];
}

/** Whether two clocks agree. When most other hosts differ alike, the coordinator's clock is the wrong one. */
export function judgeClock({ hostName, now, offsetMs, othersMs }: ClockQuestion): Finding {
  const apart = Math.abs(offsetMs);
  const host = new Date(now + offsetMs).toISOString();
  const text = `Its clock is ${describeMs(apart)} ${offsetMs > 0 ? 'ahead' : 'behind'}: ${hostName} has ${host}, the coordinator has ${new Date(now).toISOString()}.`;
  if (apart <= limits.warnMs) return fine(`The clocks are ${describeMs(apart)} apart.`);
  const fix = coordinatorIsWrong(offsetMs, othersMs) ? coordinatorFix : setClock(hostName);
  return apart <= limits.refuseMs ? warning(`${text} From 10 minutes on it refuses changes.`, fix) : failed(`${text} It refuses changes, except those that take access away.`, fix);
}

/** The host has shown its certificate and did not take the coordinator's, which is good by the coordinator's clock. */
export function judgeRefusedCertificate(hostName: string, now: number): Finding {
  return failed(
    `It ends the connection when it sees the coordinator's certificate, which is in order: its clock is probably wrong by more than 4 days. The coordinator has ${new Date(now).toISOString()}.`,
    run(hostName, 'date --utc', `Compare the clocks, set the one that is wrong, and then on ${hostName}: systemctl restart reeve-agent. If they agree: reeve-agent doctor.`),
  );
}

const coordinatorFix: Fix = advise("Other hosts differ alike, so the coordinator's clock is probably the wrong one. Set it, and: systemctl restart reeved");

function setClock(hostName: string): Fix {
  return run(hostName, 'timedatectl set-ntp true', 'Set the clock of the one that is wrong.');
}

function coordinatorIsWrong(offsetMs: number, othersMs: readonly number[]): boolean {
  const alike = othersMs.filter((other) => Math.abs(other - offsetMs) < Math.abs(offsetMs) / 2);
  return othersMs.length > 0 && alike.length * 2 > othersMs.length;
}

/** A time for people: `12 s`, `9 min`, `3 h`, `3 days`. */
function describeMs(ms: number): string {
  const seconds = Math.round(ms / 1000);
  if (seconds < 120) return `${String(seconds)} s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 120) return `${String(minutes)} min`;
  const hours = Math.round(minutes / 60);
  return hours < 72 ? `${String(hours)} h` : `${String(Math.round(hours / 24))} days`;
}
