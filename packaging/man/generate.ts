/** Writes packaging/man/reeve.1 from the command tree: `npx tsx packaging/man/generate.ts`. A test says when it has to be run. */
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { nouns } from '../../coordinator/cli/tree.js';
import { renderManual } from './manual.js';

writeFileSync(fileURLToPath(new URL('reeve.1', import.meta.url)), renderManual(nouns));
