/** What every answer carries, whatever it is (R108): a page loads nothing from elsewhere, is in no frame, and stays in no cache. */
const always: Readonly<Record<string, string>> = {
  'content-security-policy': "default-src 'none'; style-src 'self'; img-src 'self'; script-src 'self'; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'",
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'cache-control': 'no-store',
};

/** The same over TLS of our own, which browsers then insist on for a year. */
const overTls: Readonly<Record<string, string>> = { ...always, 'strict-transport-security': 'max-age=31536000' };

/** The headers that every answer carries. */
export function securityHeaders(tls: boolean): Readonly<Record<string, string>> {
  return tls ? overTls : always;
}
