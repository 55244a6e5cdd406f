/** Writes docs/errors.md from the error catalogue and docs/api.md from the access tables: `npx tsx docs/generate.ts`. Tests say when it has to be run. */
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { renderApiPage } from './api-page.js';
import { renderErrorPage } from './error-page.js';

writeFileSync(fileURLToPath(new URL('errors.md', import.meta.url)), renderErrorPage());
writeFileSync(fileURLToPath(new URL('api.md', import.meta.url)), renderApiPage());
