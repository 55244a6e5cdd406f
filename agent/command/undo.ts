import { createInterface } from 'node:readline/promises';
import { ReeveError, reeveError } from '../../shared/errors/error.js';
import { newId } from '../../shared/kit/id.js';
import { fieldInvalid, fieldMissing, parseInteger } from '../../shared/model/field.js';
import { formatHoldEnd, type Hold } from '../../shared/model/hold.js';
import { vis } from '../../shared/model/vis.js';
import type { UndoEntry } from '../engine/undo.js';
import { changeHolds, holdPlace, localHolds, type HoldPlace } from '../hold/change.js';
import { startOwn } from '../host/child.js';
import { isHeld } from '../host/guard.js';
import { becomeAccount, isRoot } from '../host/privilege.js';
import { readJournal } from '../journal/summary.js';
import { askLocal, controlSocket } from '../local/client.js';
import { nounNames } from '../nouns.js';
import { agentAccount } from '../paths.js';
import type { UndoOffer } from '../undo/undo.js';
import { renderChanges } from './change-text.js';
import type { AgentOptions } from './options.js';

/** How long the noun is held after an undo, ms. */
const holdMs = 3_600_000;

/** `reeve-agent undo NOUN`: takes a noun back to before its last operation. Answers the exit code. */
export async function runUndo(options: AgentOptions): Promise<number> {
  const [, noun = '', surplus] = options.words;
  const { given } = options;
  if (noun === '') throw fieldMissing('noun', `one of ${nounNames.join(', ')}`);
  if (!nounNames.includes(noun)) throw fieldInvalid('noun', noun, `one of ${nounNames.join(', ')}`);
  if (surplus !== undefined) throw fieldInvalid('arguments', vis(surplus), 'one noun');
  if (!isRoot() && !options.custom) throw fieldInvalid('account', String(process.geteuid?.() ?? ''), 'only root takes back what was done');
  if (given.has('--list')) return list(options, noun);
  const to = given.has('--to') ? parseInteger('generation', wholeNumber(given.get('--to') ?? ''), { min: 0, max: Number.MAX_SAFE_INTEGER }) : undefined;
  const asks = !given.has('--plan') && !given.has('--yes');
  if (asks && (given.has('--json') || !process.stdin.isTTY)) throw fieldMissing('--yes', 'nobody can be asked here; add --yes to do it without a question, or --plan to only see it');
  const agent = await reachAgent(options);
  try {
    const planned = await askLocal(agent.path, { ask: 'plan', noun, to });
    if (planned.kind !== 'offer') throw new Error('the agent answered a plan with something else');
    return await proceed(options, noun, planned.offer, agent.path);
  } finally {
    await agent.close();
  }
}

async function proceed(options: AgentOptions, noun: string, offer: UndoOffer, path: string): Promise<number> {
  const { given } = options;
  const json = given.has('--json');
  const targets = offer.targets.map((target) => target.id);
  const shown = { noun, targets, changes: offer.changes, notes: offer.notes };
  if (!json) process.stdout.write(renderOffer(offer));
  if (given.has('--plan') || offer.changes.length === 0) {
    if (json) sayJson({ ...shown, applied: false, hold: null });
    else if (offer.changes.length === 0) process.stdout.write('Nothing to do: it is so already.\n');
    return 0;
  }
  if (!given.has('--yes')) await confirm();
  const place = holdPlace(options.paths, options.custom);
  const hold = given.has('--no-hold') ? undefined : holdAfter(place, noun);
  try {
    await askLocal(path, { ask: 'apply', noun, targets, operationId: newId(Date.now()), digest: offer.digest });
  } catch (error) {
    // Old state or new, the agent says which when it is back; until then the hold stays.
    const known = error instanceof ReeveError && error.code !== 'UNDO_INTERRUPTED';
    if (known && hold?.fresh === true) changeHolds(place, { kind: 'end', noun });
    throw error;
  }
  if (json) sayJson({ ...shown, applied: true, hold: hold === undefined ? null : formatHoldEnd(hold.hold) });
  else process.stdout.write(renderDone(noun, hold?.hold));
  return 0;
}

/** Holds the noun for an hour, unless it is held for longer. */
function holdAfter(place: HoldPlace, noun: string): { hold: Hold; fresh: boolean } {
  const before = localHolds(place).filter((hold) => hold.noun === '' || hold.noun === noun);
  const longer = before.find((hold) => hold.untilMs === undefined || hold.untilMs >= Date.now() + holdMs);
  if (longer !== undefined) return { hold: longer, fresh: false };
  const hold = changeHolds(place, { kind: 'set', noun, lengthMs: holdMs, reason: `after undo of ${noun} on the host` });
  return { hold, fresh: !before.some((other) => other.noun === noun) };
}

/** The daemon's socket; where the daemon is dead, that of a process of our own. */
async function reachAgent(options: AgentOptions): Promise<{ path: string; close: () => Promise<void> }> {
  const { paths } = options;
  const path = controlSocket(paths.state);
  if (await isHeld(path)) return { path, close: () => Promise.resolve() };
  const places = ['--state', paths.state, '--policy', paths.policy, '--helper', paths.helper];
  const child = await startOwn(['local', ...(options.custom ? places : [])]);
  return { path, close: () => child.close() };
}

function renderOffer(offer: UndoOffer): string {
  const what = offer.targets.map((target) => `Takes back operation ${target.id} of ${new Date(target.at).toISOString()}${target.state === 'failed' ? ', which failed' : ''}\n`).join('');
  return `${what}${renderChanges(offer.changes)}${offer.notes.map((note) => `  note: ${vis(note)}\n`).join('')}`;
}

function renderDone(noun: string, hold: Hold | undefined): string {
  const held = hold === undefined ? '' : `Noun ${noun} is held until ${formatHoldEnd(hold)}, so that nothing is applied again at once. To end that: reeve-agent hold --end\n`;
  return `Done.\n${held}The coordinator shows the difference as drift. To go forward again, there: reeve apply --noun ${noun}\n`;
}

async function list(options: AgentOptions, noun: string): Promise<number> {
  if (isRoot() && !options.custom) becomeAccount(agentAccount);
  const undos = readJournal(options.paths.state).undos.filter((undo) => undo.noun === noun).reverse();
  if (options.given.has('--json')) sayJson({ noun, undos: undos.map((undo) => ({ ...undo, at: new Date(undo.at).toISOString() })) });
  else process.stdout.write(undos.length === 0 ? `No operation of noun ${noun} is kept.\n` : undos.map(renderUndo).join(''));
  return Promise.resolve(0);
}

/** One operation that can be taken back, for people. */
export function renderUndo(undo: UndoEntry): string {
  const names = undo.names.length > 5 ? `${undo.names.slice(0, 5).join(', ')} and ${String(undo.names.length - 5)} more` : undo.names.join(', ');
  return `${new Date(undo.at).toISOString()}  generation ${String(undo.was)} -> ${String(undo.generation)}  ${undo.state}  ${undo.id}  ${vis(names)}\n`;
}

function wholeNumber(text: string): number {
  if (!/^[0-9]{1,15}$/.test(text)) throw fieldInvalid('generation', text, 'a whole number');
  return Number(text);
}

async function confirm(): Promise<void> {
  const prompt = createInterface({ input: process.stdin, output: process.stderr });
  try {
    if (!/^y(?:es)?$/i.test((await prompt.question('Take it back? [y/N] ')).trim())) throw reeveError('CANCELLED');
  } finally {
    prompt.close();
  }
}

function sayJson(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value, undefined, 2)}\n`);
}
