import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { renderErrorPage } from '../../docs/error-page.js';

describe('docs/errors.md', () => {
  it('is the one that the error catalogue makes', () => {
    const page = readFileSync(new URL('../../docs/errors.md', import.meta.url), 'utf8');
    expect(page === renderErrorPage() || 'run: npx tsx docs/generate.ts').toBe(true);
  });
});
