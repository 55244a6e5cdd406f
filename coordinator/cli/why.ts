import { whyAccess } from './access.js';
import type { Noun } from './command.js';
import { whyNat } from './nat-why.js';

/** `reeve why`. */
export const whyNoun: Noun = { name: 'why', summary: 'Why something is as it is', commands: [whyAccess, whyNat] };
