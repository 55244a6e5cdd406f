import { exportPrivateKey } from '../../shared/kit/private-key.js';
import { sha256 } from '../../shared/kit/digest.js';
import { createPublicKey } from 'node:crypto';
import type { Host } from '../host/host.js';
import type { StoredStep } from '../journal/line.js';
import { signItself } from './self-signed.js';

/** Makes a self-signed certificate and has the helper put it in place; each call makes another one. The key is in no text and no journal. Errors: those of cert.key and cert.put. */
export async function makeCert({ helper, clock }: Pick<Host, 'helper' | 'clock'>, operationId: string, { request }: StoredStep): Promise<void> {
  const { certPem, key } = signItself({ names: String(request['names']).split(','), days: Number(request['days']), now: clock.now() });
  const spki = sha256(createPublicKey(key).export({ type: 'spki', format: 'der' }));
  const bytes = exportPrivateKey(key);
  try {
    await helper.call('cert.key', operationId, { spki, key: bytes });
  } finally {
    bytes.fill(0);
  }
  const { group, units } = request;
  await helper.call('cert.put', operationId, {
    cert: String(request['cert']), pem: Buffer.from(certPem), spki, note: String(request['note']),
    ...(group === undefined ? {} : { group: String(group) }), ...(units === undefined ? {} : { units: String(units) }),
  });
}
