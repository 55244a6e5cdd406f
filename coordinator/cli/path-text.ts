/** A path of a snapshot, whose bytes may be anything but NUL, for people: as text, or where it is no UTF-8 with every byte that is not ASCII as `\xNN`. The text is not escaped yet. */
export function pathText(bytes: Uint8Array): string {
  return decodePath(bytes) ?? Array.from(bytes, (byte) => (byte < 0x80 ? String.fromCharCode(byte) : `\\x${byte.toString(16)}`)).join('');
}

/** The same for a path from the root of the source, with the slash that it may come without: so it can be typed again. */
export function sourcePathText(bytes: Uint8Array): string {
  return `/${pathText(bytes).replace(/^\/+/, '')}`;
}

/** Bytes as the text that they are in UTF-8; undefined: they are not. */
export function decodePath(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return undefined;
  }
}
