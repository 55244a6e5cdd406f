import { byName, type Cert } from '../../shared/model/cert.js';
import type { Restored, Saved } from '../engine/undo.js';
import type { ObservedCert, ObservedCerts } from './observe.js';

/** A certificate as it is kept for an undo. */
type SavedCert = {
  readonly pem: string;
  /** Of the key that went with it. */
  readonly spki: string;
  /** Self-signed; 0: supplied. */
  readonly days: number;
  readonly names: readonly string[];
  readonly group: string;
  readonly units: readonly string[];
};

/** These certificates as they are, for taking a change back; null: there is none. Keys are kept by the helper, for a day. */
export function keepCerts(names: readonly string[], { certs }: ObservedCerts): readonly Saved[] {
  return names.map((name) => {
    const found = certs.find((cert) => cert.name === name);
    return { name, object: found === undefined ? null : saved(found) };
  });
}

/** The certificates with which those that were kept are again as they were, all others as they are now. */
export function restoreCerts(kept: readonly Saved[], observed: ObservedCerts): Restored<readonly Cert[]> {
  const wanted = new Map(observed.certs.map((cert) => [cert.name, wantedAgain(cert.name, saved(cert))]));
  const notes: string[] = [];
  for (const { name, object } of kept) {
    const before = object as SavedCert | null;
    const now = observed.certs.find((cert) => cert.name === name);
    if (before === null) wanted.delete(name);
    else if (before.days === 0 && !observed.kept.has(before.spki) && now?.keySpki !== before.spki) notes.push(`the key of certificate "${name}" is gone from the host; it is not put back`);
    else wanted.set(name, wantedAgain(name, before));
  }
  return { wanted: [...wanted.values()].sort(byName), notes };
}

function saved({ pem, facts, keySpki, note, group, units }: ObservedCert): SavedCert {
  const days = note?.kind === 'self-signed' ? note.days : 0;
  return { pem, spki: keySpki === '' ? (facts?.spki ?? '') : keySpki, days, names: [...(facts?.names ?? [])].sort(), group: group ?? '', units: [...units] };
}

function wantedAgain(name: string, { pem, days, names, group, units }: SavedCert): Cert {
  const source = days === 0 ? ({ kind: 'supplied', chainPem: pem } as const) : ({ kind: 'self-signed', names, days } as const);
  return { name, source, group: group === '' ? undefined : group, units, overwrite: false };
}
