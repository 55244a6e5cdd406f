import { readChain } from '../../shared/kit/cert-chain.js';

/** A site's own self-signed pair is made anew when it has less than this left, ms; and how long one is good for, days. */
export const siteCert = { renewMs: 30 * 86_400_000, days: 365 } as const;

/** Whether a site needs another self-signed certificate: it has none that can be read, one for other names, or one that ends soon. `names`: all of the site. `now`: Unix ms. */
export function siteCertDue(certPem: string, names: readonly string[], now: number): boolean {
  const { facts } = readChain(certPem);
  return facts === undefined || [...facts.names].sort().join() !== [...names].sort().join() || facts.notAfter * 1000 - now < siteCert.renewMs;
}
