import { randomBytes, scrypt, timingSafeEqual } from 'node:crypto';
import { Secret, TOTP } from 'otpauth';
import { reeveError } from '../../shared/errors/error.js';
import { createSemaphore } from '../../shared/kit/semaphore.js';
import type { PasswordHash } from '../inventory/web-login.js';

/** The work of a new hash: 32 MiB and about a tenth of a second. */
const work = { cost: 32_768, block: 8, parallel: 1 } as const;

/** Most memory of one hash, bytes: of the work above 128 * N * r, and some. */
const mostMemory = 256 * 1024 * 1024;

/** Hashes that are computed at a time: each has a thread of the few that Node has, and 32 MiB. */
const atOnce = 2;

/** Most that wait for their turn. */
const mostWaiting = 32;

/** Passwords, hashed a few at a time so that nobody else waits for them. */
export interface Passwords {
  hash(password: string): Promise<PasswordHash>;
  /** Whether it is the password; with undefined the same work is done for nothing, so that nobody learns from the time it takes which names there are. Errors: BUSY. */
  matches(password: string, stored: PasswordHash | undefined): Promise<boolean>;
}

/** Hashes by scrypt (RFC 7914). */
export function createPasswords(): Passwords {
  const turn = createSemaphore(atOnce);
  const nobody: PasswordHash = { ...work, salt: randomBytes(16), hash: randomBytes(32) };
  let waiting = 0;
  const derive = async (password: string, { cost, block, parallel, salt }: Omit<PasswordHash, 'hash'>): Promise<Buffer> => {
    if (waiting >= mostWaiting) throw reeveError('BUSY', { rule: 'too many logins at once' });
    waiting += 1;
    try {
      return await turn.run(
        () =>
          new Promise((resolve, reject) => {
            scrypt(password.normalize('NFC'), salt, 32, { N: cost, r: block, p: parallel, maxmem: mostMemory }, (error, key) => (error === null ? resolve(key) : reject(error)));
          }),
      );
    } finally {
      waiting -= 1;
    }
  };
  return {
    async hash(password) {
      const salt = randomBytes(16);
      return { ...work, salt, hash: await derive(password, { ...work, salt }) };
    },
    async matches(password, stored) {
      const against = stored ?? nobody;
      return timingSafeEqual(await derive(password, against), against.hash) && stored !== undefined;
    },
  };
}

/** How long a code is good, seconds (RFC 6238 5.2). */
const stepSeconds = 30;

function totpOf(secret: Buffer, label = ''): TOTP {
  // The library takes the whole buffer behind a view: its own copy has nothing else in it.
  const bytes = new Uint8Array(secret);
  return new TOTP({ issuer: 'Reeve', label, algorithm: 'SHA1', digits: 6, period: stepSeconds, secret: new Secret({ buffer: bytes.buffer }) });
}

/** The step of a code of a second factor, which may be one step off; undefined: it is not one of now. */
export function stepOfCode(secret: Buffer, code: string, now: number): number | undefined {
  const delta = totpOf(secret).validate({ token: code, timestamp: now, window: 1 });
  return delta === null ? undefined : Math.floor(now / 1000 / stepSeconds) + delta;
}

/** A second factor as programs on telephones take it (otpauth URI). */
export function totpUri(secret: Buffer, label: string): string {
  return totpOf(secret, label).toString();
}
