import { createPrivateKey, createPublicKey, generateKeyPairSync, X509Certificate, type KeyObject } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { formatIdentity } from '../../shared/model/identity.js';
import { fieldInvalid } from '../../shared/model/field.js';
import { keyFingerprint, type TlsIdentity } from '../../shared/rpc/tls.js';
import { signRecord, type RecordKind, type SignedRecord } from '../../shared/rpc/signed.js';
import { signCertificate } from './certificate.js';
import { writeFileDurably } from '../../shared/kit/file.js';

const day = 86_400_000;

/** Lifetimes and margins of certificates. */
export const certificateLife = {
  rootMs: 20 * 365 * day,
  coordinatorMs: 7 * day,
  agentMs: 7 * day,
  /** When nothing else is said of the operator; from `least` to `most` can be. */
  operatorMs: { usual: 7 * day, least: 3_600_000, most: 30 * day },
  /**
   * notBefore lies this much in the past; life is counted from the issue all the same. A clock that is days behind, on either side, must not break the
   * connection on which it is told: status works, and changes are refused with the name of the reason (CLOCK_SKEW).
   */
  backdateMs: 4 * day,
  /** How long after its expiry an agent comes back without a question. */
  readmitMs: 30 * day,
} as const;

/** One self-signed root: the only issuer of its leaves, path length 0. */
interface Root {
  readonly name: string;
  readonly key: KeyObject;
  readonly publicKey: Buffer;
  readonly certificate: string;
}

/** The fleet's two roots and the coordinator's own certificate. */
export interface Authority {
  readonly fleetId: string;
  /** PEM: what agents trust. */
  readonly controlRoot: string;
  /** PEM: what the coordinator trusts on connections with agents. */
  readonly agentsRoot: string;
  /** sha256 of the control root's public key: the pin in join tokens. */
  readonly pin: Buffer;
  /** The coordinator's key and certificate, trusting agents. The certificate is followed by the control root, so that a join token's pin can be checked. */
  coordinator(): TlsIdentity;
  /** When the coordinator's certificate begins and ends, unix ms. */
  coordinatorValidity(): { readonly fromMs: number; readonly toMs: number };
  /** Makes a new key and certificate for the coordinator and stores them. */
  renewCoordinator(now: number): void;
  /** Signs a record for everybody who trusts the control root. */
  signRecord(kind: RecordKind, text: string): SignedRecord;
  /** A certificate for a host's key. The caller has decided that it may have one. */
  issueHost(request: { hostId: string; publicKey: Buffer; now: number }): { certificate: string; notAfterMs: number };
  /** A certificate for an operator's key on another machine. The caller has decided that it may have one. */
  issueOperator(request: { name: string; publicKey: Buffer; now: number; lifeMs: number }): { certificate: string; notAfterMs: number };
}

const files = {
  controlKey: 'control-root.key',
  control: 'control-root.pem',
  agentsKey: 'agents-root.key',
  agents: 'agents-root.pem',
  coordinator: 'coordinator.pem',
} as const;

/** Makes both roots and the coordinator's certificate in `folder`. */
export function createAuthority(folder: string, fleetId: string, now: number): Authority {
  for (const [name, keyFile, file] of [
    ['Reeve control root', files.controlKey, files.control],
    ['Reeve agents root', files.agentsKey, files.agents],
  ] as const) {
    const { key, publicKey } = newKey();
    const subject = `${name} ${fleetId.slice(0, 8)}`;
    const certificate = signCertificate(
      { subject, issuer: subject, publicKey, issuerPublicKey: publicKey, notBefore: now - certificateLife.backdateMs, notAfter: now + certificateLife.rootMs, profile: { kind: 'root' } },
      key,
    );
    writeFileDurably(join(folder, keyFile), key.export({ type: 'pkcs8', format: 'pem' }).toString());
    writeFileDurably(join(folder, file), certificate);
  }
  return openAuthority(folder, fleetId, now);
}

/** Opens what createAuthority made; renews the coordinator's certificate when it is missing, has expired, or was made by a clock that was far ahead. */
export function openAuthority(folder: string, fleetId: string, now: number): Authority {
  const control = readRoot(folder, files.controlKey, files.control);
  const agents = readRoot(folder, files.agentsKey, files.agents);
  let identity: TlsIdentity | undefined;
  let validity = { fromMs: 0, toMs: 0 };

  const read = (): void => {
    const text = readFileSync(join(folder, files.coordinator), 'utf8');
    const [key = '', certificate = ''] = text.split(/(?=-----BEGIN CERTIFICATE-----)/);
    identity = { key, certificate: certificate + control.certificate, trust: agents.certificate };
    const parsed = new X509Certificate(certificate);
    validity = { fromMs: Date.parse(parsed.validFrom), toMs: Date.parse(parsed.validTo) };
  };
  const renewCoordinator = (at: number): void => {
    const { key, publicKey } = newKey();
    const uri = formatIdentity({ kind: 'coordinator', fleetId });
    const { certificate } = issue(control, { uri, usages: ['client', 'server'], publicKey, now: at, lifeMs: certificateLife.coordinatorMs, subject: 'reeve coordinator' });
    writeFileDurably(join(folder, files.coordinator), key.export({ type: 'pkcs8', format: 'pem' }).toString() + certificate);
    read();
  };
  if (existsSync(join(folder, files.coordinator))) read();
  if (validity.toMs <= now || validity.fromMs > now) renewCoordinator(now);

  return {
    fleetId,
    controlRoot: control.certificate,
    agentsRoot: agents.certificate,
    pin: Buffer.from(keyFingerprint(control.publicKey), 'hex'),
    coordinator() {
      if (identity === undefined) throw new Error('the coordinator has no certificate');
      return identity;
    },
    coordinatorValidity: () => validity,
    renewCoordinator,
    signRecord: (kind, text) => signRecord(kind, text, control.key),
    issueHost: ({ hostId, publicKey, now: at }) =>
      issue(agents, {
        uri: formatIdentity({ kind: 'host', fleetId, hostId }),
        usages: ['client', 'server'],
        publicKey: checkPublicKey(publicKey),
        now: at,
        lifeMs: certificateLife.agentMs,
        subject: `reeve agent ${hostId}`,
      }),
    issueOperator: ({ name, publicKey, now: at, lifeMs }) =>
      issue(control, {
        uri: formatIdentity({ kind: 'operator', fleetId, name }),
        usages: ['client'],
        publicKey: checkPublicKey(publicKey),
        now: at,
        lifeMs,
        subject: `reeve operator ${name}`,
      }),
  };
}

interface Issue {
  readonly uri: string;
  readonly usages: readonly ('client' | 'server')[];
  readonly publicKey: Buffer;
  readonly now: number;
  readonly lifeMs: number;
  readonly subject: string;
}

function issue(root: Root, request: Issue): { certificate: string; notAfterMs: number } {
  const notAfterMs = Math.floor((request.now + request.lifeMs) / 1000) * 1000;
  const certificate = signCertificate(
    {
      subject: request.subject,
      issuer: root.name,
      publicKey: request.publicKey,
      issuerPublicKey: root.publicKey,
      notBefore: request.now - certificateLife.backdateMs,
      notAfter: notAfterMs,
      profile: { kind: 'leaf', uri: request.uri, usages: request.usages },
    },
    root.key,
  );
  return { certificate, notAfterMs };
}

/** A P-256 public key as node:crypto writes it. Errors: FIELD_INVALID for anything else. */
export function checkPublicKey(der: Buffer): Buffer {
  const rule = 'an uncompressed P-256 key in 91 bytes of DER';
  if (der.length !== 91) throw fieldInvalid('public_key', `${String(der.length)} bytes`, rule);
  try {
    const key = createPublicKey({ key: der, format: 'der', type: 'spki' });
    const canonical = key.export({ format: 'der', type: 'spki' });
    if (key.asymmetricKeyType === 'ec' && key.asymmetricKeyDetails?.namedCurve === 'prime256v1' && canonical.equals(der)) return canonical;
  } catch {
    // Falls through to the refusal: what OpenSSL cannot read is not a key.
  }
  throw fieldInvalid('public_key', 'these bytes', rule);
}

function newKey(): { key: KeyObject; publicKey: Buffer } {
  const pair = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
  return { key: pair.privateKey, publicKey: pair.publicKey.export({ type: 'spki', format: 'der' }) };
}

function readRoot(folder: string, keyFile: string, file: string): Root {
  const key = createPrivateKey(readFileSync(join(folder, keyFile)));
  const certificate = readFileSync(join(folder, file), 'utf8');
  const parsed = new X509Certificate(certificate);
  const name = parsed.subject.replace(/^CN=/, '');
  return { name, key, publicKey: parsed.publicKey.export({ type: 'spki', format: 'der' }), certificate };
}
