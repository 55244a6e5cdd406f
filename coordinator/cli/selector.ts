import { parseSelector } from '../../shared/model/selector.js';

/**
 * A selector as the API takes it, checked here so that a mistake needs no coordinator. Absent: empty, the API's word for all hosts, for which a fleet
 * without hosts is no mistake. Errors: SELECTOR_INVALID.
 */
export function selectorText(text: string | undefined): string {
  if (text === undefined) return '';
  parseSelector(text);
  return text;
}
