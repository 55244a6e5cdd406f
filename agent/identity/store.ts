import { existsSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { reeveError } from '../../shared/errors/error.js';
import { failpoint } from '../../shared/kit/failpoint.js';
import { parseFleetId, parseId } from '../../shared/model/id.js';
import { linkKinds } from '../../shared/model/link.js';
import { makeFolder, moveWhole, removeWhole, swapLink, syncFolder, writeWhole } from '../host/file.js';
import { forgetReleased } from '../release/state.js';
import type { AgentIdentity, Issued } from './identity.js';

/**
 * The identity on disk: `identity/<n>/` holds one key with its certificate and roots, `identity/current` points at the one in use. A new one is written
 * whole beside it and becomes current by one rename, so that a crash at any moment leaves the old or the new identity, never half of one.
 */
export interface IdentityStore {
  /** The identity in use; undefined: this host has not joined. Errors: IO_FAILED when it is damaged. */
  load(): AgentIdentity | undefined;
  /** Writes down a new key before anybody is told of it. Answers its place. */
  stageKey(pem: string): string;
  /** Completes a staged key and makes it the identity in use. With `joined` the host begins anew: that it was released before is forgotten. */
  adopt(place: string, identity: AgentIdentity, options?: { readonly joined: boolean }): void;
  /** Removes a staged key of which nothing came. */
  discard(place: string): void;
  /** Removes all but the identity in use. */
  forgetOld(): void;
  /** Removes all identities, the one in use first and for good; repeatable. */
  forgetAll(): void;
}

const current = 'current';

/** The identities below a state folder. */
export function openIdentityStore(stateDir: string): IdentityStore {
  const base = join(stateDir, 'identity');
  const folders = (): string[] => (existsSync(base) ? readdirSync(base).filter((name) => /^[0-9]+(\.new)?$/.test(name)) : []);
  return {
    load: () => loadIdentity(base),
    stageKey(pem) {
      makeFolder(base);
      const newest = Math.max(0, ...folders().map((name) => parseInt(name, 10)));
      const place = join(base, `${String(newest + 1)}.new`);
      removeWhole(place);
      makeFolder(place);
      writeWhole(join(place, 'key.pem'), pem);
      syncFolder(base);
      failpoint('agent.identity.key');
      return place;
    },
    adopt(place, identity, options = { joined: false }) {
      writeWhole(join(place, 'certificate.pem'), identity.certificate);
      writeWhole(join(place, 'control-root.pem'), identity.controlRoot);
      writeWhole(join(place, 'agents-root.pem'), identity.agentsRoot);
      const { fleetId, hostId, hostName, agentsApi, enrolment, link, issued, machineHint } = identity;
      writeWhole(join(place, 'identity.json'), `${JSON.stringify({ fleetId, hostId, hostName, agentsApi, enrolment, link, issued, machineHint }, undefined, 2)}\n`);
      const whole = place.slice(0, -'.new'.length);
      moveWhole(place, whole);
      failpoint('agent.identity.staged');
      // Before the swap: the other way round a host that dies in between would refuse its new fleet.
      if (options.joined) forgetBefore(stateDir, base, identity);
      swapLink(join(base, current), whole.slice(base.length + 1));
      failpoint('agent.identity.swapped');
    },
    discard: (place) => removeWhole(place),
    forgetOld() {
      if (!existsSync(join(base, current))) return;
      const used = readlinkSync(join(base, current));
      for (const name of folders()) if (name !== used) removeWhole(join(base, name));
    },
    forgetAll() {
      if (!existsSync(base)) return;
      removeWhole(join(base, current));
      syncFolder(base);
      failpoint('agent.reset.forgotten');
      removeWhole(base);
      syncFolder(stateDir);
    },
  };
}

function parseIssued(value: unknown): { issued?: Issued } {
  const { coordinatorMs, hostMs } = (value ?? {}) as Partial<Record<keyof Issued, unknown>>;
  return typeof coordinatorMs === 'number' && typeof hostMs === 'number' ? { issued: { coordinatorMs, hostMs } } : {};
}

/** What an earlier life of this host left: that it was released, and, unless it was the same host, its journal, whose generations another coordinator's id counted. */
function forgetBefore(stateDir: string, base: string, next: AgentIdentity): void {
  forgetReleased(stateDir);
  if (hostIdOf(base) === next.hostId) return;
  removeWhole(join(stateDir, 'journal'));
  syncFolder(stateDir);
}

/** Undefined also for a damaged identity: nothing that belongs to it can be used. */
function hostIdOf(base: string): string | undefined {
  try {
    return loadIdentity(base)?.hostId;
  } catch {
    return undefined;
  }
}

function loadIdentity(base: string): AgentIdentity | undefined {
  const folder = join(base, current);
  if (!existsSync(folder)) return undefined;
  try {
    const read = (name: string): string => readFileSync(join(folder, name), 'utf8');
    const about = JSON.parse(read('identity.json')) as Record<string, unknown>;
    const text = (name: string): string => (typeof about[name] === 'string' ? about[name] : '');
    const list = (name: string): string[] => (Array.isArray(about[name]) ? about[name].filter((item) => typeof item === 'string') : []);
    return {
      fleetId: parseFleetId(text('fleetId')),
      hostId: parseId('host id', text('hostId')),
      hostName: text('hostName'),
      key: read('key.pem'),
      certificate: read('certificate.pem'),
      controlRoot: read('control-root.pem'),
      agentsRoot: read('agents-root.pem'),
      agentsApi: list('agentsApi'),
      enrolment: list('enrolment'),
      ...parseIssued(about['issued']),
      ...(text('machineHint') === '' ? {} : { machineHint: text('machineHint') }),
      // An identity from before there were links has none.
      link: linkKinds.find((kind) => kind === text('link')) ?? 'direct',
    };
  } catch (error) {
    throw reeveError('IO_FAILED', { host: 'this host', rule: `the identity in ${folder} is damaged; join again` }, { cause: error });
  }
}
