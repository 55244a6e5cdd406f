import { createHash } from 'node:crypto';
import { reeveError } from '../../shared/errors/error.js';
import type { ObserveCertReply } from '../../shared/gen/privd.js';

/** A certificate of a simulated host. */
export interface SimulatedCert {
  /** As it is, and as it was written; undefined: it was taken away by hand. */
  pem: string | undefined;
  readonly written: string;
  readonly spki: string;
  /** undefined: it was taken away by hand. */
  key: string | undefined;
  readonly note: string;
  readonly group: string;
  readonly units: string;
  owed: boolean;
}

/** The certificates of a simulated host; tests may change them, and call touch() then. */
export interface SimulatedCerts {
  readonly certs: Map<string, SimulatedCert>;
  /** Kept keys by SPKI sha256, hex. */
  readonly kept: Map<string, string>;
  /** Units that were reloaded, oldest first; `web` for web sites. */
  readonly reloads: string[];
  /** Why the web server or a unit does not reload; undefined: it does. */
  reloadProblem: string | undefined;
  /** Sites by the certificate that they use. */
  readonly usedBy: Map<string, string>;
}

/** Certificates of a host that has none. */
export function createSimulatedCerts(): SimulatedCerts {
  return { certs: new Map(), kept: new Map(), reloads: [], reloadProblem: undefined, usedBy: new Map() };
}

type Asked = Readonly<Record<string, string | number | boolean | Uint8Array | undefined>>;

/** A verb of certificates; undefined: it is none. */
export function answerCertVerb({ certs: state }: { readonly certs: SimulatedCerts }, verb: string, asked: Asked): object | undefined {
  const name = String(asked['cert'] ?? '');
  switch (verb) {
    case 'observe.cert':
      return observe(state);
    case 'cert.key':
      state.kept.set(hexOf(asked['spki']), textOf(asked['key']));
      return {};
    case 'cert.put':
      put(state, name, asked);
      return {};
    case 'cert.remove': {
      const site = state.usedBy.get(name);
      if (site !== undefined) throw reeveError('CERT_IN_USE', { value: name, owner: site });
      keepKey(state, state.certs.get(name));
      state.certs.delete(name);
      return {};
    }
    case 'cert.release':
      state.certs.clear();
      state.kept.clear();
      return {};
    default:
      return undefined;
  }
}

function put(state: SimulatedCerts, name: string, asked: Asked): void {
  const before = state.certs.get(name);
  const spki = hexOf(asked['spki']);
  const key = state.kept.get(spki) ?? (before?.spki === spki ? before.key : undefined);
  if (key === undefined) throw reeveError('CERT_KEY', { value: name, rule: 'it is not on this host' });
  if (before?.spki !== spki) keepKey(state, before);
  const pem = textOf(asked['pem']);
  const made: SimulatedCert = { pem, written: pem, spki, key, note: String(asked['note'] ?? ''), group: String(asked['group'] ?? ''), units: String(asked['units'] ?? ''), owed: true };
  state.certs.set(name, made);
  if (state.reloadProblem !== undefined) throw reeveError('TOOL_FAILED', { value: 'systemctl', rule: state.reloadProblem });
  if (state.usedBy.has(name)) state.reloads.push('web');
  if (made.units !== '') state.reloads.push(...made.units.split(','));
  made.owed = false;
}

function keepKey({ kept }: SimulatedCerts, cert: SimulatedCert | undefined): void {
  if (cert?.key !== undefined) kept.set(cert.spki, cert.key);
}

function observe({ certs, kept }: SimulatedCerts): ObserveCertReply {
  return {
    cert: [...certs].map(([name, cert]) => ({
      name,
      pem: Buffer.from(cert.pem ?? ''),
      state: cert.pem === undefined || cert.key === undefined ? 'missing' : cert.pem === cert.written ? 'ok' : 'edited',
      note: cert.note, group: cert.group, units: cert.units,
      sha256: createHash('sha256').update(cert.written).digest(),
      spki: cert.key === undefined ? Buffer.alloc(0) : Buffer.from(cert.spki, 'hex'),
      owed: cert.owed,
    })),
    key: Buffer.concat([...kept.keys()].map((spki) => Buffer.from(spki, 'hex'))),
  };
}

function hexOf(value: unknown): string {
  return Buffer.from(value as Uint8Array).toString('hex');
}

/** A copy: what was sent is overwritten with zeroes. */
function textOf(value: unknown): string {
  return Buffer.from(value as Uint8Array).toString('latin1');
}
