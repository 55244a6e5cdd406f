import { readFileSync, statSync } from 'node:fs';
import type { Server } from 'node:http';
import type { Server as TlsServer } from 'node:https';
import type { Logger } from '../kit/log.js';

/** How often it is looked whether the files are others, ms. */
const lookMs = 10_000;

/** Takes a renewed certificate into use when its files have changed. One that cannot be used leaves the one before. Close it. */
export function keepCertificate(server: Server, files: { readonly certificate: string; readonly key: string }, log: Logger, everyMs = lookMs): { close(): void } {
  const stamp = (): string => [files.certificate, files.key].map((file) => statSync(file)).map(({ ino, mtimeMs, size }) => `${String(ino)} ${String(mtimeMs)} ${String(size)}`).join(' ');
  let known = stamp();
  const look = (): void => {
    try {
      const now = stamp();
      if (now === known) return;
      known = now;
      (server as unknown as TlsServer).setSecureContext({ cert: readFileSync(files.certificate), key: readFileSync(files.key), minVersion: 'TLSv1.3' });
      log.info('the certificate was read anew');
    } catch (error) {
      log.error({ err: error }, 'the certificate cannot be read; the one before stays in use');
    }
  };
  const timer = setInterval(look, everyMs);
  timer.unref();
  return { close: () => clearInterval(timer) };
}
