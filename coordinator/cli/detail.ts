import { isErrorCode, type ErrorItem } from '../../shared/errors/error.js';

/** An error detail as the API's answers carry it. */
export interface Detail {
  readonly code: string;
  readonly fields: Readonly<Record<string, string>>;
}

/** An error detail as an item of the catalogue; a code that is not in it (of a newer coordinator) becomes INTERNAL. */
export function itemOf(detail: Detail): ErrorItem {
  return isErrorCode(detail.code) ? { code: detail.code, fields: detail.fields } : { code: 'INTERNAL', fields: { correlation: `unknown code ${detail.code}` } };
}
