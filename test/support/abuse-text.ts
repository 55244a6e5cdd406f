/** JSON in which bytes are `{"hex": "..."}`, for requests to a helper in a host and its replies. */
export function toText(value: unknown): string {
  return JSON.stringify(value, (_key, item: unknown) => (isBufferJson(item) ? { hex: Buffer.from(item.data).toString('hex') } : item instanceof Uint8Array ? { hex: Buffer.from(item).toString('hex') } : item));
}

/** What toText was given. */
export function fromText(text: string): unknown {
  return JSON.parse(text, (_key, item: unknown) => (isHex(item) ? Uint8Array.from(Buffer.from(item.hex, 'hex')) : item));
}

/** Buffer has a toJSON, which comes before a replacer. */
function isBufferJson(item: unknown): item is { readonly data: readonly number[] } {
  return typeof item === 'object' && item !== null && 'type' in item && item.type === 'Buffer' && 'data' in item && Array.isArray(item.data);
}

function isHex(item: unknown): item is { readonly hex: string } {
  return typeof item === 'object' && item !== null && Object.keys(item).length === 1 && 'hex' in item && typeof item.hex === 'string';
}
