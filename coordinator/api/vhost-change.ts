import { reeveError } from '../../shared/errors/error.js';
import type { ChangeEventInput } from '../../shared/gen/proto/reeve/coordinator/v1/ChangeEvent.js';
import type { ChangeOptions as WireOptions } from '../../shared/gen/proto/reeve/coordinator/v1/ChangeOptions.js';
import { sha256 } from '../../shared/kit/digest.js';
import { fieldInvalid } from '../../shared/model/field.js';
import type { VhostDraft } from '../../shared/model/vhost.js';
import type { CallContext } from '../../shared/rpc/server.js';
import type { VhostRow } from '../desired/vhost.js';
import { certExists } from '../inventory/cert.js';
import type { Database } from '../inventory/database.js';
import { getFleet } from '../inventory/fleet.js';
import type { HostRow } from '../inventory/host.js';
import { getVhost, siteOfAlias } from '../inventory/vhost.js';
import type { Office } from '../office.js';
import { vhostNoun } from '../reconcile/vhost.js';
import type { OperatorCaller } from './caller.js';
import { formatSteps, parseChangeOptions } from './event.js';

/** A command about the sites of one host. */
export interface VhostCommand {
  readonly host: HostRow;
  /** `add`, `remove`, ... */
  readonly verb: string;
  /** The site it is about, or the file. */
  readonly subject: string;
  /** Its arguments as they were given, to tell two commands apart; of secrets only a digest is kept. */
  readonly detail: unknown;
  readonly options: WireOptions | null;
  /** Stores it; false: it is so already. Throws to refuse the command. */
  readonly edit: (db: Database, generation: number) => boolean;
}

/** Runs a command about the sites of one host. */
export function runVhost(office: Office, context: CallContext<OperatorCaller>, command: VhostCommand): AsyncGenerator<ChangeEventInput> {
  const { host, verb } = command;
  const steps = office.changes.run(
    {
      summary: `vhost ${verb} ${host.name} ${command.subject}`,
      identity: vhostIdentity(verb, host.id, command.detail),
      principal: context.principal,
      nouns: [vhostNoun],
      hosts: [host],
      edit: (db, _host, generation) => command.edit(db, generation),
    },
    parseChangeOptions(command.options),
    context.signal,
  );
  return formatSteps(steps);
}

/** The arguments of a command as the audit has them: they begin with the id of the host. */
export function vhostIdentity(verb: string, hostId: string, detail: unknown): string {
  return `vhost ${verb} ${hostId} ${JSON.stringify(detail, digested)}`;
}

/** What nobody needs to read in the audit, by the names of its fields. */
const digestedFields: ReadonlySet<string> = new Set(['hash', 'caPem', 'crlPem']);

function digested(key: string, value: unknown): unknown {
  return digestedFields.has(key) && typeof value === 'string' && value !== '' ? `sha256:${sha256(value).toString('hex').slice(0, 16)}` : value;
}

/** The site that a person names. Errors: VHOST_UNKNOWN, FIELD_INVALID (it is only another name of one). */
export function findVhost(db: Database, host: HostRow, name: string): VhostRow {
  const row = getVhost(db, host.id, name);
  if (row !== undefined) return row;
  const site = siteOfAlias(db, host.id, name);
  if (site !== undefined) throw fieldInvalid('name', name, `the first name of a site; this one is of "${site}"`);
  throw reeveError('VHOST_UNKNOWN', { host: host.name, value: name });
}

/** What a site names has to be there, and its names must not be those of others. Errors: CERT_UNKNOWN, FIELD_INVALID. */
export function requireStorable(db: Database, host: HostRow, site: VhostDraft): void {
  requireForeignNames(db, site);
  if (site.cert !== undefined && !certExists(db, host.id, site.cert)) throw reeveError('CERT_UNKNOWN', { host: host.name, value: site.cert });
}

/** No site has a name by which hosts and operators reach the coordinator, or one below it. Errors: FIELD_INVALID. */
function requireForeignNames(db: Database, site: VhostDraft): void {
  const own = getFleet(db)?.addresses ?? [];
  for (const name of [site.name, ...site.aliases]) {
    const taken = own.find((address) => name === address || name.endsWith(`.${address}`) || (name.startsWith('*.') && address.endsWith(name.slice(1))));
    if (taken !== undefined) throw fieldInvalid('name', name, `not a name of the coordinator (${taken}), nor one below it`);
  }
}
