import { fieldInvalid } from '../../shared/model/field.js';

const units: Readonly<Record<string, number>> = { '': 1, k: 1024, m: 1024 ** 2, g: 1024 ** 3, t: 1024 ** 4 };

/** A size, bytes: `512M`, `2g`, `1048576`. Errors: FIELD_INVALID. */
export function parseSize(field: string, text: string): number {
  const match = /^(0|[1-9][0-9]{0,12})([kmgt]?)(?:i?b)?$/i.exec(text);
  const bytes = Number(match?.[1]) * (units[(match?.[2] ?? '').toLowerCase()] ?? 1);
  if (match === null || !Number.isSafeInteger(bytes)) throw fieldInvalid(field, text, 'a whole number of bytes, or with K, M, G or T behind it: 512M');
  return bytes;
}

/** A size in the largest binary unit that fits. */
export function formatBytes(bytes: number): string {
  const names = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'];
  const index = bytes < 1 ? 0 : Math.min(names.length - 1, Math.floor(Math.log2(bytes) / 10));
  const value = bytes / 1024 ** index;
  return `${index === 0 ? String(value) : value.toFixed(1)} ${names[index] ?? ''}`;
}
