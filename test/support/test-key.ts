import { toBase64 } from '../../shared/model/bytes.js';
import { noKeyOptions, type KeyLine, type KeyOptions, type PublicKey } from '../../shared/model/key.js';

/** An Ed25519 key that nobody has the other half of; another one for each number. */
export function testKey(number: number): PublicKey {
  const field = (bytes: Uint8Array): Buffer => {
    const length = Buffer.alloc(4);
    length.writeUInt32BE(bytes.length);
    return Buffer.concat([length, bytes]);
  };
  const point = Buffer.alloc(32, number & 0xff);
  point.writeUInt32BE(number);
  return { type: 'ssh-ed25519', base64: toBase64(Buffer.concat([field(Buffer.from('ssh-ed25519')), field(point)])) };
}

/** A line with such a key. */
export function testLine(number: number, comment = `p${String(number)}: grant ${String(number)}`, options: Partial<KeyOptions> = {}): KeyLine {
  return { key: testKey(number), comment, options: { ...noKeyOptions, ...options } };
}
