import { fromBase64, fromHex, toBase64, toHex } from './bytes.js';
import { parsePattern } from './field.js';

/** The fingerprint of a key, sha256 of its blob in hex, as ssh-keygen(1) shows it: `SHA256:` and base64 without padding. */
export function formatFingerprint(hex: string): string {
  return `SHA256:${toBase64(fromHex(hex)).replace(/=+$/, '')}`;
}

/** The fingerprint of a key as ssh-keygen(1) shows it, in hex. Errors: FIELD_INVALID, FIELD_MISSING. */
export function parseFingerprint(text: string, field = 'fingerprint'): string {
  // 32 bytes are 43 characters, the last of which carries four bits.
  parsePattern(field, text, /^SHA256:[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]$/, '"SHA256:" and 43 characters of base64, as "ssh-keygen -lf FILE" shows it');
  return toHex(fromBase64(`${text.slice('SHA256:'.length)}=`));
}
