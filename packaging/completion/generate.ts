/** Writes the completion scripts from the command tree: `npx tsx packaging/completion/generate.ts`. A test says when it has to be run. */
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { renderBash, renderZsh } from '../../coordinator/cli/completion-text.js';
import { nouns } from '../../coordinator/cli/tree.js';

writeFileSync(fileURLToPath(new URL('reeve.bash', import.meta.url)), renderBash(nouns));
writeFileSync(fileURLToPath(new URL('_reeve', import.meta.url)), renderZsh(nouns));
