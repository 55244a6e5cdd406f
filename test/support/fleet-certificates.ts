import { generateKeyPairSync, randomUUID, type KeyObject } from 'node:crypto';
import type { AgentIdentity } from '../../agent/identity/identity.js';
import { signCertificate } from '../../coordinator/pki/certificate.js';
import { newId } from '../../shared/kit/id.js';
import { formatIdentity } from '../../shared/model/identity.js';
import type { TlsIdentity } from '../../shared/rpc/tls.js';

/** A root of a throw-away fleet. */
export interface TestRoot {
  readonly key: KeyObject;
  readonly publicKey: Buffer;
  readonly pem: string;
  readonly name: string;
}

/** What a leaf differs in from a good one. */
export interface LeafOptions {
  readonly uri: string;
  readonly usages?: readonly ('client' | 'server')[];
  readonly notBefore?: number;
  readonly notAfter?: number;
  readonly publicKey?: Buffer;
}

/** Roots and certificates for tests of either side: good ones, and every kind of bad one. */
export interface TestFleet {
  readonly fleetId: string;
  readonly control: TestRoot;
  readonly agents: TestRoot;
  readonly coordinatorUri: string;
  leaf(root: TestRoot, options: LeafOptions): { key: string; certificate: string };
  /** The coordinator, trusting agents; its certificate is followed by the control root. */
  coordinator(options?: Partial<LeafOptions>): TlsIdentity;
  /** A joined host. */
  host(name: string, options?: Partial<LeafOptions> & { agentsApi?: readonly string[]; enrolment?: readonly string[] }): AgentIdentity;
}

const day = 86_400_000;

/** A throw-away fleet. */
export function createTestFleet(): TestFleet {
  const fleetId = randomUUID();
  const control = makeRoot('control');
  const agents = makeRoot('agents');
  const coordinatorUri = formatIdentity({ kind: 'coordinator', fleetId });
  const leaf = (root: TestRoot, options: LeafOptions): { key: string; certificate: string } => {
    const pair = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
    const certificate = signCertificate(
      {
        subject: 'test', issuer: root.name, issuerPublicKey: root.publicKey,
        publicKey: options.publicKey ?? pair.publicKey.export({ type: 'spki', format: 'der' }),
        notBefore: options.notBefore ?? Date.now() - 60_000,
        notAfter: options.notAfter ?? Date.now() + 7 * day,
        profile: { kind: 'leaf', uri: options.uri, usages: options.usages ?? ['client', 'server'] },
      },
      root.key,
    );
    return { key: pair.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(), certificate };
  };
  return {
    fleetId,
    control,
    agents,
    coordinatorUri,
    leaf,
    coordinator(options = {}) {
      const made = leaf(control, { uri: coordinatorUri, ...options });
      return { key: made.key, certificate: made.certificate + control.pem, trust: agents.pem };
    },
    host(name, options = {}) {
      const hostId = newId(Date.now());
      const made = leaf(agents, { uri: formatIdentity({ kind: 'host', fleetId, hostId }), ...options });
      return {
        fleetId, hostId, hostName: name, ...made, controlRoot: control.pem, agentsRoot: agents.pem,
        agentsApi: options.agentsApi ?? ['127.0.0.1:1'], enrolment: options.enrolment ?? ['127.0.0.1:1'], link: 'direct',
      };
    },
  };
}

function makeRoot(name: string): TestRoot {
  const pair = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
  const publicKey = pair.publicKey.export({ type: 'spki', format: 'der' });
  const subject = `Test ${name} root`;
  const pem = signCertificate(
    { subject, issuer: subject, publicKey, issuerPublicKey: publicKey, notBefore: Date.now() - day, notAfter: Date.now() + 365 * day, profile: { kind: 'root' } },
    pair.privateKey,
  );
  return { key: pair.privateKey, publicKey, pem, name: subject };
}
