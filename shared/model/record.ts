import { reeveError, ReeveError } from '../errors/error.js';
import { canonicalJson, type Canonical } from './canonical.js';
import { formatEndpoint, parsePort, parseReachableAddress } from './host.js';
import { parseFleetId } from './id.js';

/** Coordinator keys that are refused although their certificates are still good. */
export interface DenyRecord {
  readonly fleet: string;
  /** Counts up; a lower one never replaces a higher one. */
  readonly version: number;
  /** sha256 of public keys (SubjectPublicKeyInfo, DER), lower-case hex, and the ends of their last certificates, unix ms. */
  readonly keys: readonly { readonly key: string; readonly notAfterMs: number }[];
}

/** Where the coordinator is now. */
export interface MovedRecord {
  readonly fleet: string;
  /** Counts up; a lower one never replaces a higher one. */
  readonly version: number;
  /** Host names or IP addresses, in order of preference; 1 to 8. */
  readonly addresses: readonly string[];
  readonly agentsPort: number;
  readonly enrolmentPort: number;
  readonly operatorsPort: number;
  /** Unix ms. */
  readonly issuedMs: number;
}

/** Most addresses a coordinator has. */
export const mostAddresses = 8;

/** A record as it is signed: RFC 8785 JSON, one text for one meaning. */
export function formatRecord(record: DenyRecord | MovedRecord): string {
  return canonicalJson(record as unknown as Canonical);
}

/** A deny list from its signed text. Errors: RECORD_REFUSED. */
export function parseDenyRecord(text: string): DenyRecord {
  return parse(text, (value) => {
    const keys = value['keys'];
    if (!Array.isArray(keys) || keys.length > 200) throw refused('it has no proper keys');
    return {
      fleet: parseFleetId(String(value['fleet'])),
      version: version(value),
      keys: keys.map((item: unknown) => {
        const { key, notAfterMs } = (item ?? {}) as Record<string, unknown>;
        if (typeof key !== 'string' || !/^[0-9a-f]{64}$/.test(key) || !Number.isSafeInteger(notAfterMs)) throw refused('it has no proper keys');
        return { key, notAfterMs: notAfterMs as number };
      }),
    };
  });
}

/** A moved record from its signed text. Errors: RECORD_REFUSED. */
export function parseMovedRecord(text: string): MovedRecord {
  return parse(text, (value) => {
    const addresses = value['addresses'];
    if (!Array.isArray(addresses) || addresses.length < 1 || addresses.length > mostAddresses) throw refused('it has no proper addresses');
    return {
      fleet: parseFleetId(String(value['fleet'])),
      version: version(value),
      addresses: addresses.map((address) => parseReachableAddress(String(address))),
      agentsPort: parsePort(Number(value['agentsPort'])),
      enrolmentPort: parsePort(Number(value['enrolmentPort'])),
      operatorsPort: parsePort(Number(value['operatorsPort'])),
      issuedMs: Number(value['issuedMs']),
    };
  });
}

/** The places of a moved record's doors, `ADDRESS:PORT`, in order of preference. */
export function movedPlaces(record: MovedRecord): { agentsApi: string[]; enrolment: string[]; operatorsApi: string[] } {
  const at = (port: number): string[] => record.addresses.map((address) => formatEndpoint({ address, port }));
  return { agentsApi: at(record.agentsPort), enrolment: at(record.enrolmentPort), operatorsApi: at(record.operatorsPort) };
}

function version(value: Record<string, unknown>): number {
  const found = value['version'];
  if (!Number.isSafeInteger(found) || (found as number) < 1) throw refused('it has no proper version');
  return found as number;
}

/** Parses once, and refuses what would not be written the same way again: nothing in it is left unread. */
function parse<T extends DenyRecord | MovedRecord>(text: string, read: (value: Record<string, unknown>) => T): T {
  try {
    const record = read(JSON.parse(text) as Record<string, unknown>);
    if (formatRecord(record) === text) return record;
  } catch (error) {
    if (error instanceof ReeveError && error.code === 'RECORD_REFUSED') throw error;
  }
  throw refused('it is not written as such records are');
}

function refused(reason: string): ReeveError {
  return reeveError('RECORD_REFUSED', { reason });
}
