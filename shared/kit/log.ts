import { pino, type Logger } from 'pino';

export type { Logger } from 'pino';

/** Longest text of one log field, characters; longer ones are cut. */
const fieldLimit = 2048;

/**
 * The log of a program: one JSON object a line on standard output. Messages are constants, data is in fields; bidirectional and other invisible
 * characters are escaped (pino keeps them raw), long texts are cut. Secrets are never passed to it.
 */
export function createLog(program: string, level: string = 'info'): Logger {
  return pino({
    level,
    base: { program },
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: {
      level: (label) => ({ level: label }),
      log: (object) => Object.fromEntries(Object.entries(object).map(([key, value]) => [key, typeof value === 'string' ? cleanText(value) : value])),
    },
    serializers: {
      err: (error: unknown) => {
        if (!(error instanceof Error)) return { message: cleanText(String(error)) };
        return { type: error.name, message: cleanText(error.message), stack: cleanText(error.stack ?? '') };
      },
    },
  });
}

function cleanText(text: string): string {
  const cut = text.length > fieldLimit ? `${text.slice(0, fieldLimit)}…` : text;
  return cut.replace(/[\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`);
}
