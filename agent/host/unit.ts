import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';

const systemctl = '/usr/bin/systemctl';

/** Longest answer of systemd, ms. */
const answerMs = 10_000;

/** A unit as systemd has it. */
export interface UnitState {
  readonly name: string;
  /** loaded, masked, not-found, ... (systemctl(1)). */
  readonly load: string;
  /** active, inactive, failed, activating, ... */
  readonly active: string;
}

/** Asks systemd for units, by `systemctl show`; undefined: it cannot be asked here. */
export function readUnits(names: readonly string[]): readonly UnitState[] | undefined {
  if (!existsSync(systemctl)) return undefined;
  try {
    const argv = ['show', '--property=Id,LoadState,ActiveState', '--', ...names];
    const text = execFileSync(systemctl, argv, { encoding: 'utf8', timeout: answerMs, cwd: '/', env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C' }, stdio: ['ignore', 'pipe', 'ignore'] });
    return parseUnits(text);
  } catch {
    return undefined;
  }
}

/** Units from the paragraphs of `systemctl show`. */
export function parseUnits(text: string): readonly UnitState[] {
  return text
    .trim()
    .split(/\n\n+/)
    .map((paragraph) => {
      const value = (key: string): string => new RegExp(`^${key}=(.*)$`, 'm').exec(paragraph)?.[1] ?? '';
      return { name: value('Id'), load: value('LoadState'), active: value('ActiveState') };
    })
    .filter((unit) => unit.name !== '');
}
