import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { reeveError } from '../../shared/errors/error.js';
import { readCapped, writeWhole } from '../host/file.js';

/**
 * The form of what the agent keeps in its state folder. Raised when a release writes what the one before it would misread or lose; the package of an older
 * agent then refuses to be installed (packaging/debian/reeve-agent/preinst), and an older agent refuses to start.
 */
export const stateFormat = 1;

/**
 * Notes in `STATE/format` which form the state has and which version made it so. A state that a newer agent wrote is refused and left as it is.
 * Errors: STATE_NEWER; what writing throws (a full disk), which need not stop the agent.
 */
export function claimState(stateDir: string, version: string, known = stateFormat): void {
  const path = join(stateDir, 'format');
  const text = existsSync(path) ? (readCapped(path, 256)?.bytes.toString('utf8') ?? '') : '';
  const [, found, writer] = /^(\d{1,9}) (\S{1,64})\n$/.exec(text) ?? [];
  if (found !== undefined && writer !== undefined && Number(found) > known) {
    throw reeveError('STATE_NEWER', { value: stateDir, owner: writer, rule: `it has format ${found}, reeve-agent ${version} knows ${String(known)}` });
  }
  if (found !== undefined && Number(found) === known) return;
  writeWhole(path, `${String(known)} ${version}\n`);
}
