import type { ObserveCertReply } from '../../shared/gen/privd.js';
import { readChain } from '../../shared/kit/cert-chain.js';
import { byName, mostCerts, parseCertName, type CertState } from '../../shared/model/cert.js';
import { reeveError } from '../../shared/errors/error.js';
import type { Helper } from '../host/host.js';
import { parseNote, type CertNote } from './note.js';

/** A managed certificate as it is. */
export interface ObservedCert extends CertState {
  /** As the helper keeps it. */
  readonly noteText: string;
  readonly note: CertNote | undefined;
  readonly group: string | undefined;
  readonly units: readonly string[];
  /** cert.pem as it is. */
  readonly pem: string;
  /** sha256 of cert.pem as it was written, hex; empty: nobody knows any more. */
  readonly sha256: string;
  /** SPKI sha256 of the key that is in place as it was written, hex; empty: it is not. */
  readonly keySpki: string;
  /** What uses it has not been reloaded yet. */
  readonly owed: boolean;
}

/** All certificates of the host that are managed. */
export interface ObservedCerts {
  /** By name. */
  readonly certs: readonly ObservedCert[];
  /** SPKI sha256 of the keys that are kept for certificates to come, hex. */
  readonly kept: ReadonlySet<string>;
}

const states: readonly ObservedCert['state'][] = ['ok', 'edited', 'missing'];

/** What the helper tells. Errors: POLICY_DENIED, POLICY_UNUSABLE, HELPER_UNREACHABLE, VERSION_UNSUPPORTED. */
export async function observeCerts(helper: Helper, operationId: string): Promise<ObservedCerts> {
  const { cert, key } = await helper.call('observe.cert', operationId, {});
  const keys = Buffer.from(key);
  const kept = new Set<string>();
  for (let at = 0; at + 32 <= keys.length; at += 32) kept.add(keys.subarray(at, at + 32).toString('hex'));
  return { certs: cert.slice(0, 2 * mostCerts.certs).map(parseRow).sort(byName), kept };
}

/** What the helper says is data of another process, and what stands in the file is anybody's: checked once more. */
function parseRow(row: ObserveCertReply['cert'][number]): ObservedCert {
  const state = states.find((known) => known === row.state);
  if (state === undefined) throw reeveError('VERSION_UNSUPPORTED', { value: `of certificate state "${row.state}"`, rule: 'the helper is newer than the agent' });
  const note = parseNote(row.note);
  const pem = Buffer.from(row.pem).toString('latin1');
  return {
    name: parseCertName('cert', row.name),
    kind: note?.kind ?? '',
    facts: pem === '' ? undefined : readChain(pem).facts,
    state, note, pem,
    noteText: row.note,
    group: row.group === '' ? undefined : row.group,
    units: row.units === '' ? [] : row.units.split(','),
    sha256: Buffer.from(row.sha256).toString('hex'),
    keySpki: Buffer.from(row.spki).toString('hex'),
    owed: row.owed,
  };
}
