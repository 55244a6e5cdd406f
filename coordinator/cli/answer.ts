import type { Context } from './context.js';
import { formatJson, toJson } from './json.js';

/** Shows an answer: as one JSON document, or as the text for people. Gives exit code 0. */
export function answer(context: Context, response: unknown, text: () => string): number {
  context.terminal.out(context.json ? formatJson(toJson(response)) : text());
  return 0;
}
