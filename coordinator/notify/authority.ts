import { readFileSync } from 'node:fs';
import { rootCertificates } from 'node:tls';

/** Those that Node knows, and those of the file. Throws when it cannot be read. */
export function authorities(caFile: string): string[] {
  return [...rootCertificates, readFileSync(caFile, 'utf8')];
}
