import { constants } from 'node:fs';
import { readCapped } from './file.js';

/** Where reeve-agent-upgrade.service says that an upgrade was reverted, and why: one line of JSON. */
export const upgradeNote = '/var/lib/reeve-agent-upgrade/note';

/** Longest note, bytes. */
const noteBytes = 4096;

/** What became of the last upgrade in one sentence; empty: nothing is to be said. A note that cannot be read says nothing. */
export function readUpgradeNote(path = upgradeNote): string {
  try {
    const text = readCapped(path, noteBytes, constants.O_RDONLY | constants.O_NOFOLLOW)?.bytes.toString('utf8');
    return text === undefined ? '' : formatUpgradeNote(JSON.parse(text));
  } catch {
    return '';
  }
}

/** The note as people read it. */
export function formatUpgradeNote(note: unknown): string {
  const { from, to, at, reason } = note as { from?: unknown; to?: unknown; at?: unknown; reason?: unknown };
  if (typeof from !== 'string' || typeof to !== 'string' || typeof at !== 'number' || typeof reason !== 'string') return '';
  return `the upgrade to ${to} was reverted to ${from} on ${new Date(at).toISOString()} because ${reason}`;
}
