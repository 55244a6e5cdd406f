import { sign, verify, X509Certificate, type KeyObject } from 'node:crypto';
import { fieldInvalid } from '../model/field.js';
import { reeveError } from '../errors/error.js';

/** What is signed for whom: the domain keeps a record of one kind from being taken for another. */
export type RecordKind = 'deny' | 'moved' | 'grant';

/** A record and the control root's signature over it. */
export interface SignedRecord {
  readonly body: Buffer;
  readonly signature: Buffer;
}

/** Largest body, bytes. */
const mostBytes = 48 * 1024;

/** What a signed record's text for people begins with. */
const prefix = 'reevemoved1_';

function signedBytes(kind: RecordKind, body: Uint8Array): Buffer {
  return Buffer.concat([Buffer.from(`reeve-${kind}-v1\0`), body]);
}

/** Signs a record with the control root's key. */
export function signRecord(kind: RecordKind, text: string, key: KeyObject): SignedRecord {
  const body = Buffer.from(text);
  return { body, signature: sign('sha256', signedBytes(kind, body), key) };
}

/** The text of a record that the control root (PEM) has signed. Errors: RECORD_REFUSED. */
export function openRecord(kind: RecordKind, record: SignedRecord, controlRoot: string): string {
  const root = new X509Certificate(controlRoot);
  const holds = record.body.length <= mostBytes && verify('sha256', signedBytes(kind, record.body), root.publicKey, record.signature);
  if (!holds) throw reeveError('RECORD_REFUSED', { reason: 'the control root of this fleet has not signed it' });
  return record.body.toString('utf8');
}

/** A moved record as one word that a person can carry; not secret. */
export function formatMovedText(record: SignedRecord): string {
  const length = Buffer.alloc(1);
  length.writeUInt8(record.signature.length);
  return prefix + Buffer.concat([length, record.signature, record.body]).toString('base64url');
}

/** The record of such a word; nothing is verified yet. Errors: FIELD_INVALID. */
export function parseMovedText(text: string): SignedRecord {
  const word = text.trim();
  const bytes = word.startsWith(prefix) ? Buffer.from(word.slice(prefix.length), 'base64url') : Buffer.alloc(0);
  const length = bytes[0] ?? 0;
  if (bytes.length < 2 + length) throw fieldInvalid('moved record', word.slice(0, 20), `the whole word that "reeve fleet moved" printed, from "${prefix}" on`);
  return { body: bytes.subarray(1 + length), signature: bytes.subarray(1, 1 + length) };
}
