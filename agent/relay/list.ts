import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { reeveError } from '../../shared/errors/error.js';
import { parseRelayChildren, type RelayChild } from '../../shared/model/relay.js';
import { makeFolder, writeWhole } from '../host/file.js';

/** The children of this host, as the coordinator said last. */
export interface RelayList {
  /** Sorted by id. */
  readonly children: readonly RelayChild[];
  /** Puts another list in its place; it has reached the disk when this returns. */
  replace(children: readonly RelayChild[]): void;
}

/** The list in the agent's state folder. Errors: IO_FAILED when it is damaged. */
export function openRelayList(stateDir: string): RelayList {
  const path = join(stateDir, 'relay.json');
  let children = readList(path);
  return {
    get children() {
      return children;
    },
    replace(next) {
      makeFolder(stateDir);
      writeWhole(path, formatRelayList(next));
      children = next;
    },
  };
}

/** A list as it is kept. */
export function formatRelayList(children: readonly RelayChild[]): string {
  return `${JSON.stringify({ children }, undefined, 2)}\n`;
}

/** A kept list. Throws for anything else. */
export function parseRelayList(text: string): readonly RelayChild[] {
  const { children } = JSON.parse(text) as { children: Parameters<typeof parseRelayChildren>[0] };
  return parseRelayChildren(children);
}

function readList(path: string): readonly RelayChild[] {
  if (!existsSync(path)) return [];
  try {
    return parseRelayList(readFileSync(path, 'utf8'));
  } catch (error) {
    throw reeveError('IO_FAILED', { host: 'this host', rule: `${path} is damaged; remove it, and run "reeve apply --noun relay" on the coordinator` }, { cause: error });
  }
}
