import { reeveError } from '../../shared/errors/error.js';
import type { ChangeEventInput } from '../../shared/gen/proto/reeve/coordinator/v1/ChangeEvent.js';
import type { ChangeOptions as WireOptions } from '../../shared/gen/proto/reeve/coordinator/v1/ChangeOptions.js';
import { readChain, timeProblem } from '../../shared/kit/cert-chain.js';
import { sha256 } from '../../shared/kit/digest.js';
import type { Cert, CertFacts } from '../../shared/model/cert.js';
import { fieldInvalid } from '../../shared/model/field.js';
import type { CallContext } from '../../shared/rpc/server.js';
import type { CertRow } from '../desired/cert.js';
import { getCert } from '../inventory/cert.js';
import type { Database } from '../inventory/database.js';
import type { HostRow } from '../inventory/host.js';
import { getOperation } from '../inventory/operation.js';
import type { Office } from '../office.js';
import { announceKey } from '../reconcile/cert-coming.js';
import { sendKey } from '../reconcile/cert-key.js';
import { certNoun } from '../reconcile/cert.js';
import type { ChangeOptions } from '../reconcile/change.js';
import type { OperatorCaller } from './caller.js';
import type { PassedKey } from './cert-key.js';
import { formatSteps, parseChangeOptions } from './event.js';

/** A command about the certificates of one host. */
export interface CertCommand {
  readonly host: HostRow;
  /** `add`, `set` or `remove`. */
  readonly verb: string;
  readonly name: string;
  /** Its arguments as they were given, to tell two commands apart; never a key. */
  readonly detail: unknown;
  /** Goes to the host before anything is stored; undefined: none was given. */
  readonly key: PassedKey | undefined;
  readonly options: WireOptions | null;
  /** Stores it; false: it is so already. Throws to refuse the command. */
  readonly edit: (db: Database, generation: number) => boolean;
}

/** Runs a command about the certificates of one host. A key that came with it is passed on first, and overwritten with zeroes. Errors: HOST_UNREACHABLE, what the agent says of the key. */
export async function* runCert(office: Office, context: CallContext<OperatorCaller>, command: CertCommand): AsyncGenerator<ChangeEventInput> {
  const { host, verb, name, key } = command;
  const options = parseOptions(command);
  let forget: () => void = () => undefined;
  try {
    if (key !== undefined && options.mode === 'plan') forget = announceKey(office.db, host.id, key.spki);
    if (key !== undefined && options.mode === 'apply' && !isKnown(office.db, options)) await sendKey({ world: office, fleet: office.fleet, host }, name, key.pem);
    key?.pem.fill(0);
    const steps = office.changes.run(
      {
        summary: `cert ${verb} ${host.name} ${name}`,
        identity: certIdentity(verb, host.id, { name, ...(command.detail as object) }),
        principal: context.principal,
        nouns: [certNoun],
        hosts: [host],
        edit: (db, _host, generation) => command.edit(db, generation),
      },
      options,
      context.signal,
    );
    yield* formatSteps(steps);
  } finally {
    key?.pem.fill(0);
    forget();
  }
}

/** A key is stored nowhere, so that nothing can be stored that needs it later. Errors: FIELD_INVALID. */
function parseOptions({ options: wire, key }: CertCommand): ChangeOptions {
  try {
    const options = parseChangeOptions(wire);
    if (key !== undefined && options.mode === 'stage') throw fieldInvalid('mode', 'STAGE', 'PLAN or APPLY with a key: it is passed on to the host, and stored nowhere else');
    return options;
  } catch (error) {
    key?.pem.fill(0);
    throw error;
  }
}

/** A repeat of a command that was stored is answered from what is stored. */
function isKnown(db: Database, { operationId }: ChangeOptions): boolean {
  return operationId !== undefined && getOperation(db, operationId) !== undefined;
}

/** The arguments of a command as the audit has them: they begin with the id of the host. Chains are told by their digests. */
export function certIdentity(verb: string, hostId: string, detail: unknown): string {
  return `cert ${verb} ${hostId} ${JSON.stringify(detail, (key, value: unknown) => (key === 'chainPem' && typeof value === 'string' ? `sha256:${sha256(value).toString('hex')}` : value))}`;
}

/** The certificate that a person names. Errors: CERT_UNKNOWN. */
export function findCert(db: Database, host: HostRow, name: string): CertRow {
  const row = getCert(db, host.id, name);
  if (row === undefined) throw reeveError('CERT_UNKNOWN', { host: host.name, value: name });
  return row;
}

/** A chain has to be one that a service can use now; undefined: it is self-signed. Errors: CERT_CONTENT. */
export function requireUsable({ name, source }: Cert, now: number): CertFacts | undefined {
  if (source.kind === 'self-signed') return undefined;
  const { facts, problem } = readChain(source.chainPem);
  const rule = problem ?? (facts === undefined ? 'it cannot be read' : timeProblem(facts, now));
  if (rule !== undefined) throw reeveError('CERT_CONTENT', { value: name, rule });
  return facts;
}
