import { fromBase64, toBase64 } from './bytes.js';

/** What tells a token of the metrics listener from everything else that may lie about; scanners for leaked secrets can look for it. */
const prefix = 'reevemetrics1_';

/** A token's text (base64url, RFC 4648). `secret` is 32 random bytes. */
export function formatMetricToken(secret: Uint8Array): string {
  return `${prefix}${toBase64(secret).replace(/=+$/, '').replaceAll('+', '-').replaceAll('/', '_')}`;
}

/** The secret of a token; undefined: it is none. */
export function parseMetricToken(text: string): Uint8Array | undefined {
  if (!text.startsWith(prefix)) return undefined;
  const word = text.slice(prefix.length);
  // The last of 43 characters has two bits that must be 0: one secret, one spelling.
  return /^[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]$/.test(word) ? fromBase64(`${word.replaceAll('-', '+').replaceAll('_', '/')}=`) : undefined;
}
