import type { KeyObject } from 'node:crypto';
import { forgeCertificate, keyPem, newKey, ownRoot, usage, type Forged, type Issuer } from './certificate-forge.js';

/** What a good certificate for one place would say. */
export interface Place {
  /** The one URI that is accepted. */
  readonly uri: string;
  /** The root that is trusted. */
  readonly root: Issuer;
  /** The fleet's other root. */
  readonly otherRoot: Issuer;
  /** What the holder does: dials, or listens. */
  readonly does: 'client' | 'server';
  /** The key that the good certificate is for: wrong certificates have it too, so that only the certificate is wrong. */
  readonly key: KeyObject;
}

/** Key and certificate, PEM; no certificate at all: undefined. */
export type Shown = { readonly key: string; readonly certificate: string } | undefined;

/** One way in which a certificate is wrong. */
export interface Wrong {
  readonly name: string;
  readonly show: (place: Place) => Shown;
}

const hour = 3_600_000;
const uuid = /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/;
const strangerId = '01900000-0000-7000-8000-00000000feed';

const fleetOf = (place: Place): string => uuid.exec(place.uri)?.[0] ?? '';

/** The certificate that is accepted in a place, with some of it altered. */
export function show(place: Place, altered: Partial<Forged> = {}): NonNullable<Shown> {
  const content: Forged = {
    names: [{ uri: place.uri }], usages: [usage.client, usage.server], issuer: place.root, commonName: 'test', ca: false,
    notBefore: Date.now() - hour, notAfter: Date.now() + hour, key: place.key, ...altered,
  };
  return { key: keyPem(content.key), certificate: forgeCertificate(content) };
}

const withUri = (name: string, uri: (place: Place) => string): Wrong => ({ name, show: (place) => show(place, { names: [{ uri: uri(place) }] }) });

/** Every wrong certificate of R3 that can be told from the certificate alone. */
export const wrongCertificates: readonly Wrong[] = [
  { name: 'no certificate', show: () => undefined },
  { name: 'no extended key usage', show: (place) => show(place, { usages: undefined }) },
  { name: 'the other side’s key usage only', show: (place) => show(place, { usages: [place.does === 'client' ? usage.server : usage.client] }) },
  { name: 'any extended key usage', show: (place) => show(place, { usages: [usage.any] }) },
  { name: 'a key usage too many', show: (place) => show(place, { usages: [usage.client, usage.server, usage.code] }) },
  { name: 'expired', show: (place) => show(place, { notBefore: Date.now() - 2 * hour, notAfter: Date.now() - 2_000 }) },
  { name: 'not valid yet', show: (place) => show(place, { notBefore: Date.now() + hour, notAfter: Date.now() + 2 * hour }) },
  { name: 'signed by the fleet’s other root', show: (place) => show(place, { issuer: place.otherRoot }) },
  { name: 'signed by a root of the same name', show: (place) => show(place, { issuer: ownRoot(place.root.name) }) },
  { name: 'self-signed with the right name', show: (place) => show(place, { issuer: { name: 'test', key: place.key, pem: '' }, commonName: 'test' }) },
  { name: 'a root’s own certificate and name', show: (place) => ({ key: keyPem(place.root.key), certificate: place.root.pem }) },
  { name: 'an authority with the right name', show: (place) => show(place, { ca: true }) },
  withUri('another host', (place) => `reeve://${fleetOf(place)}/host/${strangerId}`),
  withUri('an operator', (place) => `reeve://${fleetOf(place)}/operator/ada`),
  withUri('the other side', (place) => (place.uri.endsWith('/role/coordinator') ? `reeve://${fleetOf(place)}/host/${strangerId}` : `reeve://${fleetOf(place)}/role/coordinator`)),
  { name: 'two names, the right one first', show: (place) => show(place, { names: [{ uri: place.uri }, { uri: `reeve://${fleetOf(place)}/operator/ada` }] }) },
  { name: 'two names, the right one last', show: (place) => show(place, { names: [{ uri: `reeve://${fleetOf(place)}/operator/ada` }, { uri: place.uri }] }) },
  { name: 'the right name twice', show: (place) => show(place, { names: [{ uri: place.uri }, { uri: place.uri }] }) },
  { name: 'one name that looks like two', show: (place) => show(place, { names: [{ uri: `reeve://${fleetOf(place)}/operator/ada, URI:${place.uri}` }] }) },
  { name: 'the right name and a DNS name', show: (place) => show(place, { names: [{ uri: place.uri }, { dns: 'reeve' }] }) },
  { name: 'a DNS name, and the right common name', show: (place) => show(place, { names: [{ dns: 'reeve' }], commonName: place.uri }) },
  { name: 'no name but the right common name', show: (place) => show(place, { names: [], commonName: place.uri }) },
  withUri('a wildcard', (place) => place.uri.replace(/[^/]+$/, '*')),
  withUri('an upper-case scheme', (place) => place.uri.replace('reeve:', 'REEVE:')),
  withUri('an upper-case name', (place) => place.uri.toUpperCase()),
  withUri('a trailing dot', (place) => `${place.uri}.`),
  withUri('a trailing slash', (place) => `${place.uri}/`),
  withUri('a trailing zero byte', (place) => `${place.uri}\0`),
  withUri('another fleet', (place) => place.uri.replace(uuid, '7d444840-9dc0-41d1-b245-5ffdce74fad2')),
  { name: 'the right name with a key that nobody knows', show: (place) => show(place, { key: newKey(), issuer: ownRoot('Nobody') }) },
];
