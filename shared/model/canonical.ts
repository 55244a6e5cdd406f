/** What canonical JSON can hold. Numbers are whole: models have no fractions. */
export type Canonical = string | number | boolean | null | readonly Canonical[] | { readonly [key: string]: Canonical };

/**
 * RFC 8785 JSON (JCS) of a normalised model: keys sorted by UTF-16 code units, no white space. Only whole safe numbers, so that every implementation
 * writes them alike.
 */
export function canonicalJson(value: Canonical): string {
  if (value === null || typeof value === 'boolean' || typeof value === 'string') return JSON.stringify(value);
  if (typeof value === 'number') {
    if (!Number.isSafeInteger(value)) throw new RangeError('canonical JSON holds whole numbers only');
    return String(value === 0 ? 0 : value);
  }
  if (Array.isArray(value)) return `[${value.map((item: Canonical) => canonicalJson(item)).join(',')}]`;
  const entries = Object.entries(value as Record<string, Canonical>).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
  return `{${entries.map(([key, item]) => `${JSON.stringify(key)}:${canonicalJson(item)}`).join(',')}}`;
}
