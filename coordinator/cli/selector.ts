import { parseSelector } from '../../shared/model/selector.js';

/** A selector as the API takes it, checked here so that a mistake needs no coordinator; absent: all hosts. Errors: SELECTOR_INVALID. */
export function selectorText(text: string | undefined): string {
  if (text === undefined) return 'all';
  parseSelector(text);
  return text;
}
