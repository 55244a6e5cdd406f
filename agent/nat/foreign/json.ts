/** A JSON object of unknown members. */
export type Json = Readonly<Record<string, unknown>>;

/** An object, or undefined. */
export function objectOf(value: unknown): Json | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Json) : undefined;
}

/** A list, or undefined. */
export function listOf(value: unknown): readonly unknown[] | undefined {
  return Array.isArray(value) ? (value as readonly unknown[]) : undefined;
}

/** A text, or "". */
export function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

/** A whole number, or undefined. */
export function integerOf(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isSafeInteger(value) ? value : undefined;
}

/** Name and content of an object with one member. */
export function onlyMember(value: unknown): { readonly name: string; readonly value: unknown } | undefined {
  const object = objectOf(value);
  const [name, more] = object === undefined ? [] : Object.keys(object);
  return object === undefined || name === undefined || more !== undefined ? undefined : { name, value: object[name] };
}

/** The object that a text is, or undefined. */
export function parseObject(text: string): Json | undefined {
  try {
    return objectOf(JSON.parse(text));
  } catch {
    return undefined;
  }
}
