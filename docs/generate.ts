/** Writes docs/errors.md from the error catalogue: `npx tsx docs/generate.ts`. A test says when it has to be run. */
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { renderErrorPage } from './error-page.js';

writeFileSync(fileURLToPath(new URL('errors.md', import.meta.url)), renderErrorPage());
