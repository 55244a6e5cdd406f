import { spawnSync } from 'node:child_process';

export interface CommandOptions {
  readonly cwd?: string;
  /** Added to a plain environment, so that a build does not depend on its caller's. */
  readonly env?: Readonly<Record<string, string>>;
}

/** Runs a build tool to its end; throws with its output when it fails. */
export function command(argv: readonly [string, ...string[]], options: CommandOptions = {}): string {
  const [file, ...args] = argv;
  const env = { PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', HOME: '/nonexistent', LC_ALL: 'C.UTF-8', ...options.env };
  const done = spawnSync(file, args, { cwd: options.cwd, env, encoding: 'utf8', maxBuffer: 256 * 1024 * 1024 });
  if (done.error !== undefined) throw new Error(`Cannot run ${file}`, { cause: done.error });
  if (done.status !== 0) throw new Error(`${argv.join(' ')} ended with exit code ${String(done.status)}\n${(done.stdout + done.stderr).slice(-8_000)}`);
  return done.stdout;
}
