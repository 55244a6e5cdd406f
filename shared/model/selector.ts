import { reeveError, ReeveError } from '../errors/error.js';
import { parseHostName } from './host.js';
import { parseLabel, type Label } from './label.js';
import { vis } from './vis.js';

/** Which hosts a command is for. */
export type Selector = { readonly kind: 'all' } | { readonly kind: 'name'; readonly name: string } | { readonly kind: 'label'; readonly label: Label };

/** A selector from `all`, `label=value` or a host's name. Errors: SELECTOR_INVALID. */
export function parseSelector(text: string): Selector {
  if (text === 'all') return { kind: 'all' };
  try {
    return text.includes('=') ? { kind: 'label', label: parseLabel(text) } : { kind: 'name', name: parseHostName(text) };
  } catch (error) {
    if (!(error instanceof ReeveError)) throw error;
    throw reeveError('SELECTOR_INVALID', { value: vis(text).slice(0, 100), rule: 'a host name, label=value, or all' }, { cause: error });
  }
}
