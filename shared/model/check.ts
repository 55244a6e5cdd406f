import { vis } from './vis.js';

/** How a check ended: skipped when it depends on one that failed. */
export type CheckState = 'ok' | 'warning' | 'failed' | 'skipped';

/** What to do about something that is not as it should be. */
export interface Fix {
  /** For people. */
  readonly text: string;
  /** The command that does it; empty: there is no single one. */
  readonly command: string;
  /** Where to run it: `coordinator`, or the name of a host. */
  readonly at: string;
}

/** What a check found. */
export interface Finding {
  readonly state: CheckState;
  /** One or two sentences. */
  readonly text: string;
  readonly fix?: Fix;
}

/** One thing that was looked at. */
export interface Check extends Finding {
  /** Stable, for programs. */
  readonly name: string;
}

/** One thing to look at. */
export interface CheckStep {
  readonly name: string;
  /** Steps before it without which looking at it makes no sense: when one failed or was skipped, it is skipped. */
  readonly needs: readonly string[];
  readonly look: () => Finding | Promise<Finding>;
}

/** As it should be. */
export const fine = (text: string): Finding => ({ state: 'ok', text });
/** Works, and somebody should look at it. */
export const warning = (text: string, fix?: Fix): Finding => ({ state: 'warning', text, ...(fix === undefined ? {} : { fix }) });
/** Does not work. */
export const failed = (text: string, fix?: Fix): Finding => ({ state: 'failed', text, ...(fix === undefined ? {} : { fix }) });
/** Cannot be told, for a reason that another check names. */
export const skipped = (text: string): Finding => ({ state: 'skipped', text });

/** Something to do that is one command. */
export const run = (at: string, command: string, text = ''): Fix => ({ text, command, at });
/** Something to do that is not one command. */
export const advise = (text: string): Fix => ({ text, command: '', at: '' });

/** Takes the steps in order. One cause is blamed once: what depends on a failed step is skipped. Rejects as a step does. */
export async function* runChecks(steps: readonly CheckStep[]): AsyncGenerator<Check> {
  const states = new Map<string, CheckState>();
  for (const { name, needs, look } of steps) {
    const blocked = needs.find((need) => states.get(need) === 'failed' || states.get(need) === 'skipped');
    const found = blocked === undefined ? await look() : skipped(`Not looked at: it depends on "${blocked}".`);
    states.set(name, found.state);
    yield { name, ...found };
  }
}

/** Puts colour on a word; the identity where there is none. */
export type PaintState = (word: string, state: CheckState) => string;

const indent = ' '.repeat(10);
const nameWidth = 24;

/** A check as lines for people: state, name, what is; below it what to do. Everything foreign is escaped. */
export function formatCheck(check: Check, paint: PaintState = (word) => word): string {
  const word = check.state.padEnd(indent.length);
  const head = `${paint(word.trimEnd(), check.state)}${' '.repeat(word.length - word.trimEnd().length)}${vis(check.name).padEnd(nameWidth)}${vis(check.text)}\n`;
  const { fix } = check;
  if (fix === undefined) return head;
  const where = fix.at === 'coordinator' ? 'On the coordinator' : `On ${vis(fix.at)}`;
  const parts = [vis(fix.text), ...(fix.command === '' ? [] : [`${where}: ${vis(fix.command)}`])].filter((part) => part !== '');
  return `${head}${parts.map((part) => `${indent}${' '.repeat(nameWidth)}${part}\n`).join('')}`;
}

/** The last line: whether all is well, or what to begin with. */
export function formatVerdict(checks: readonly Check[], subject: string): string {
  const first = checks.find((check) => check.state === 'failed');
  const warnings = checks.filter((check) => check.state === 'warning').length;
  if (first !== undefined) return `${subject} is not well. Begin with "${vis(first.name)}".\n`;
  return warnings === 0 ? `${subject} is well.\n` : `${subject} works; ${String(warnings)} ${warnings === 1 ? 'warning' : 'warnings'}.\n`;
}
