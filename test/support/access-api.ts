import type { ChangeEvent } from '../../shared/gen/proto/reeve/coordinator/v1/ChangeEvent.js';
import type { AccessServiceDefinition } from '../../shared/gen/proto/reeve/coordinator/v1/AccessService.js';
import type { GrantServiceDefinition } from '../../shared/gen/proto/reeve/coordinator/v1/GrantService.js';
import type { GroupServiceDefinition } from '../../shared/gen/proto/reeve/coordinator/v1/GroupService.js';
import type { KeyServiceDefinition } from '../../shared/gen/proto/reeve/coordinator/v1/KeyService.js';
import type { PersonServiceDefinition } from '../../shared/gen/proto/reeve/coordinator/v1/PersonService.js';
import type { PlanServiceDefinition } from '../../shared/gen/proto/reeve/coordinator/v1/PlanService.js';
import type { UserServiceDefinition } from '../../shared/gen/proto/reeve/coordinator/v1/UserService.js';
import { serviceName, type Channel } from '../../shared/rpc/client.js';

/** Services that say who may log in. */
export const persons = serviceName<PersonServiceDefinition>('reeve.coordinator.v1.PersonService');
export const keys = serviceName<KeyServiceDefinition>('reeve.coordinator.v1.KeyService');
export const groups = serviceName<GroupServiceDefinition>('reeve.coordinator.v1.GroupService');
export const grants = serviceName<GrantServiceDefinition>('reeve.coordinator.v1.GrantService');
export const access = serviceName<AccessServiceDefinition>('reeve.coordinator.v1.AccessService');
export const users = serviceName<UserServiceDefinition>('reeve.coordinator.v1.UserService');
export const plans = serviceName<PlanServiceDefinition>('reeve.coordinator.v1.PlanService');

/** What a command came to. */
export interface Came {
  /** `host noun: outcome`, in the order in which hosts answered; of a plan those that were asked. */
  readonly hosts: string[];
  /** `+ noun subject` of what changes in the inventory. */
  readonly inventory: string[];
  /** `+ noun subject` of what changes on hosts. */
  readonly changes: string[];
  readonly errors: { code: string; fields: Record<string, string> }[];
  readonly planId: string;
  readonly operationId: string;
  readonly outcome: string;
  readonly stored: boolean;
}

const sign = { CHANGE_KIND_CREATE: '+', CHANGE_KIND_UPDATE: '~', CHANGE_KIND_REMOVE: '-', CHANGE_KIND_UNSPECIFIED: '?' } as const;
const short = (outcome: string): string => outcome.slice('OUTCOME_'.length).toLowerCase();

/** Runs the events of a command to their end. */
export async function came(events: AsyncIterable<ChangeEvent>): Promise<Came> {
  const known = { hosts: [] as string[], inventory: [] as string[], changes: [] as string[], errors: [] as Came['errors'], planId: '', operationId: '', outcome: '', stored: false };
  for await (const event of events) {
    if (event.planned) {
      known.planId = event.planned.planId;
      known.inventory = event.planned.inventory.map((change) => `${sign[change.kind]} ${change.noun} ${change.subject}`);
    }
    for (const result of [...(event.planned?.hosts ?? []), ...(event.host ? [event.host] : [])]) {
      const line = `${result.hostName} ${result.noun}: ${short(result.outcome)}`;
      if (!known.hosts.includes(line)) known.hosts.push(line);
      for (const change of result.changes) known.changes.push(`${sign[change.kind]} ${change.noun} ${change.subject}`);
      known.errors.push(...result.errors.map(({ code, fields }) => ({ code, fields: { ...fields } })));
    }
    if (event.finished) Object.assign(known, { operationId: event.finished.operationId, outcome: short(event.finished.outcome), stored: event.finished.stored });
  }
  return { ...known, changes: [...new Set(known.changes)] };
}

/** How a command is to be run: the mode, or more. */
export type How = 'PLAN' | 'STAGE' | 'APPLY' | { planId?: string; operationId?: string };

/** Options of a command. */
export function optionsOf(how: How = 'APPLY') {
  return typeof how === 'string' ? ({ mode: `CHANGE_MODE_${how}` } as const) : ({ mode: 'CHANGE_MODE_APPLY', ...how } as const);
}

/** The commands of one operator, by what is typed. */
export function accessApi(api: Channel) {
  return {
    person: (name: string, more: object = {}, how?: How) => came(api.stream(persons, 'AddPerson', { options: optionsOf(how), name, ...more }, {})),
    setPerson: (name: string, more: object, how?: How) => came(api.stream(persons, 'SetPerson', { options: optionsOf(how), name, ...more }, {})),
    removePerson: (name: string, how?: How) => came(api.stream(persons, 'RemovePerson', { options: optionsOf(how), name }, {})),
    key: (owner: { person: string } | { host: string; user: string }, given: readonly { type: string; blob: Buffer }[], how?: How) =>
      came(api.stream(keys, 'AddKey', { options: optionsOf(how), ...owner, keys: given.map(({ type, blob }) => ({ key: { type, blob } })) }, {})),
    removeKey: (fingerprint: string, how?: How) => came(api.stream(keys, 'RemoveKey', { options: optionsOf(how), fingerprint }, {})),
    adopt: (host: string, user = '', how?: How) => came(api.stream(keys, 'AdoptKey', { options: optionsOf(how), host, user }, {})),
    group: (name: string, more: object = {}, how?: How) => came(api.stream(groups, 'AddGroup', { options: optionsOf(how), name, ...more }, {})),
    removeGroup: (name: string, more: object = {}, how?: How) => came(api.stream(groups, 'RemoveGroup', { options: optionsOf(how), name, ...more }, {})),
    grant: (more: object, how?: How) => came(api.stream(grants, 'AddGrant', { options: optionsOf(how), ...more }, {})),
    setGrant: (id: number, more: object, how?: How) => came(api.stream(grants, 'SetGrant', { options: optionsOf(how), id, ...more }, {})),
    removeGrant: (id: number, how?: How) => came(api.stream(grants, 'RemoveGrant', { options: optionsOf(how), id }, {})),
    revoke: (person: string, more: object = {}, how?: How) => came(api.stream(access, 'RevokePerson', { options: optionsOf(how), person, ...more }, {})),
    report: (person: string) => api.unary(access, 'GetRevocation', { person }, { deadlineMs: 20_000 }),
    where: async (asked: object) => (await api.unary(access, 'ListAccess', asked, { deadlineMs: 20_000 })).access.map((way) => `${way.host} ${way.user} ${way.person}: ${way.why}${way.pending ? ' (pending)' : ''}`),
    why: (person: string, host: string, user: string) => api.unary(access, 'ExplainAccess', { person, host, user }, { deadlineMs: 20_000 }),
    user: (verb: 'AddUser' | 'LockUser' | 'UnlockUser' | 'RemoveUser', selector: string, name: string, how?: How) =>
      verb === 'AddUser'
        ? came(api.stream(users, verb, { options: optionsOf(how), selector, user: homeUser(name) }, {}))
        : came(api.stream(users, verb, { options: optionsOf(how), selector, name }, {})),
    apply: (selector: string, noun = '') => came(api.stream(plans, 'Reconcile', { options: optionsOf(), selector, noun }, {})),
  };
}

/** An account with a home. */
export const homeUser = (name: string) => ({ name, kind: 'USER_KIND_HOME', shell: '/bin/bash' }) as const;
