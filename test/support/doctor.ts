import type { LabHost } from '../lab/lab.js';
import type { TestFleet } from './fleet.js';
import { until } from './until.js';

/** What a doctor says with --json. */
export interface Diagnosis {
  readonly healthy: boolean;
  readonly checks: readonly {
    readonly name: string;
    readonly state: 'ok' | 'warning' | 'failed' | 'skipped';
    readonly text: string;
    readonly fix: { readonly text: string; readonly command: string; readonly at: string } | null;
  }[];
}

/** The first thing that a doctor blames, with the exit code of the doctor. */
export interface Blame {
  readonly code: number | null;
  readonly name: string;
  readonly text: string;
  readonly fix: string;
  readonly command: string;
  readonly at: string;
}

const blameOf = (code: number | null, { checks }: Diagnosis): Blame => {
  const first = checks.find((check) => check.state === 'failed');
  return { code, name: first?.name ?? '', text: first?.text ?? '', fix: first?.fix?.text ?? '', command: first?.fix?.command ?? '', at: first?.fix?.at ?? '' };
};

/** Runs `reeve doctor HOST`. */
export async function doctor(fleet: TestFleet, name: string): Promise<Blame> {
  const { code, stdout, stderr } = await fleet.reeve(['doctor', name, '--json']);
  if (stdout === '') throw new Error(`reeve doctor said nothing: ${stderr}`);
  return blameOf(code, JSON.parse(stdout) as Diagnosis);
}

/** Runs `reeve-agent doctor` on a host, perhaps with variables of its own. */
export async function localDoctor(host: LabHost, env: readonly string[] = []): Promise<Blame> {
  const { code, stdout, stderr } = await host.exec(['env', ...env, '/usr/bin/reeve-agent', 'doctor', '--json'], { timeoutMs: 120_000 });
  if (stdout === '') throw new Error(`reeve-agent doctor said nothing: ${stderr}`);
  return blameOf(code, JSON.parse(stdout) as Diagnosis);
}

/** Does what the doctor said, word for word, where it said it; gives what that printed. */
export async function carryOut(fleet: TestFleet, blame: Blame): Promise<string> {
  if (blame.command === '') throw new Error(`There is no command: ${blame.text} ${blame.fix}`);
  const host = blame.at === 'coordinator' ? fleet.hub : fleet.host(blame.at);
  return host.run(['/bin/sh', '-c', blame.command], { timeoutMs: 120_000 });
}

/** Waits until both doctors have nothing to blame. */
export async function waitWell(fleet: TestFleet, name: string): Promise<void> {
  let last: Blame | undefined;
  try {
    await until(async () => (last = await doctor(fleet, name)).code === 0, { timeoutMs: 60_000, everyMs: 300, what: `the doctor to find ${name} well` });
  } catch (error) {
    throw new Error(`${name} is not well: ${JSON.stringify(last)}`, { cause: error });
  }
}
