import { formatMessage, ReeveError } from '../../../shared/errors/error.js';
import { shown } from './text.js';
import { html, type Html } from '../html.js';

/** What a part of a page was answered, or why it was not. */
export type Asked<T> = { readonly value: T; readonly problem?: undefined } | { readonly value?: undefined; readonly problem: string };

/** Longest time that a page waits for what its host is asked, ms. */
export const hostMs = 2_000;

/** An answer that a page can do without: a refusal, or a part of the coordinator that is not there, is told in its place. Errors: that the session has ended, and what is no refusal. */
export async function optional<T>(answer: Promise<T>): Promise<Asked<T>> {
  try {
    return { value: await answer };
  } catch (error) {
    if (!(error instanceof ReeveError) || error.code === 'WEB_SESSION_ENDED') throw error;
    return { problem: formatMessage(error) };
  }
}

/** The same of what a host is asked now: the page does not wait longer than two seconds. */
export async function fromHost<T>(answer: Promise<T>, ms = hostMs): Promise<Asked<T>> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<Asked<T>>((resolve) => {
    timer = setTimeout(() => resolve({ problem: `it did not answer within ${String(ms / 1000)} s` }), ms);
  });
  const asked = optional(answer);
  // An answer that comes too late, or never, is nobody's concern any more.
  asked.catch(() => undefined);
  try {
    return await Promise.race([asked, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** What is said where something could not be asked. */
export function unasked(problem: string): Html {
  return html`<p class="note">It could not be asked: ${shown(problem)}</p>`;
}
