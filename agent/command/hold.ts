import { fieldInvalid, fieldMissing } from '../../shared/model/field.js';
import { parseDuration } from '../../shared/model/duration.js';
import { describeHold, formatHoldEnd, parseHoldLength, parseHoldNoun, parseHoldReason, type Hold } from '../../shared/model/hold.js';
import { vis } from '../../shared/model/vis.js';
import { changeHolds, holdPlace, localHolds, type HoldPlace } from '../hold/change.js';
import { isRoot } from '../host/privilege.js';
import { nounNames } from '../nouns.js';
import type { AgentOptions } from './options.js';

/** `reeve-agent hold`: sets, ends or lists the local holds. The agent reads the file at every use: what is written here counts at once, with or without it. */
export function runHold(options: AgentOptions): void {
  const { given } = options;
  const noun = parseNoun(given.get('--noun') ?? '');
  const place = holdPlace(options.paths, options.custom);
  const sets = ['--for', '--reason'].some((flag) => given.has(flag));
  if (!given.has('--end') && !sets) {
    if (given.has('--noun')) throw fieldMissing('--for', '1m to 30d; or --end to end the hold of a noun');
    list(options, place);
    return;
  }
  if (!isRoot() && !options.custom) throw fieldInvalid('account', String(process.geteuid?.() ?? ''), 'only root holds the host');
  if (given.has('--end')) {
    if (sets) throw fieldInvalid('--end', '--for or --reason beside it', 'alone, or with --noun');
    const ended = changeHolds(place, { kind: 'end', noun: given.has('--noun') ? noun : undefined });
    say(options, { ended }, ended === 0 ? 'There was no hold to end.\n' : 'The hold has ended. What waits at the coordinator is applied when it hears of it.\n');
    return;
  }
  const lengthMs = parseHoldLength(given.has('--for') ? parseDuration('length of the hold', given.get('--for') ?? '') : undefined);
  const hold = changeHolds(place, { kind: 'set', noun, lengthMs, reason: parseHoldReason(given.get('--reason') ?? '') });
  const what = noun === '' ? 'This host' : `Noun ${noun} of this host`;
  say(options, hold, `${what} is ${vis(describeHold(hold))}\nNothing but removal of access is applied until then. To end it: reeve-agent hold --end${noun === '' ? '' : ` --noun ${noun}`}\n`);
}

function parseNoun(text: string): string {
  const noun = parseHoldNoun(text);
  if (noun !== '' && !nounNames.includes(noun)) throw fieldInvalid('noun', noun, `one of ${nounNames.join(', ')}`);
  return noun;
}

function list(options: AgentOptions, place: HoldPlace): void {
  const holds = localHolds(place);
  const lines = holds.map((hold) => `${hold.noun === '' ? 'all nouns' : `noun ${hold.noun}`}: ${vis(describeHold(hold))}\n`);
  say(options, { holds }, lines.length === 0 ? 'Nothing is held.\n' : lines.join(''));
}

function say(options: AgentOptions, value: Hold | { readonly ended: number } | { readonly holds: readonly Hold[] }, text: string): void {
  process.stdout.write(options.given.has('--json') ? `${JSON.stringify('holds' in value ? { holds: value.holds.map(holdJson) } : 'ended' in value ? value : { hold: holdJson(value) }, undefined, 2)}\n` : text);
}

/** A hold for programs: times as ISO 8601. */
export function holdJson(hold: Hold): Readonly<Record<string, string | null>> {
  const { noun, by, reason } = hold;
  return { noun, by, reason, since: formatHoldEnd({ untilMs: hold.sinceMs }), until: hold.untilMs === undefined ? null : formatHoldEnd(hold) };
}
