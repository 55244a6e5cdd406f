import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { renderBash, renderZsh } from '../../coordinator/cli/completion-text.js';
import { nouns } from '../../coordinator/cli/tree.js';

const bashFile = fileURLToPath(new URL('reeve.bash', import.meta.url));
const zshFile = fileURLToPath(new URL('_reeve', import.meta.url));

/** What bash offers for the last word of a line. */
function complete(...words: string[]): string[] {
  const script = 'source "$0"; COMP_WORDS=(reeve "$@"); COMP_CWORD=$#; _reeve; printf "%s\\n" "${COMPREPLY[@]}"';
  return execFileSync('/bin/bash', ['--norc', '-c', script, bashFile, ...words], { encoding: 'utf8' }).split('\n').filter((line) => line !== '');
}

describe('completion scripts', () => {
  it('are the ones that the command tree makes', () => {
    expect(readFileSync(bashFile, 'utf8') === renderBash(nouns) || 'run: npx tsx packaging/completion/generate.ts').toBe(true);
    expect(readFileSync(zshFile, 'utf8') === renderZsh(nouns) || 'run: npx tsx packaging/completion/generate.ts').toBe(true);
  });

  it.each([
    [['ho'], ['host']],
    [['host', 're'], ['release', 'retire', 'revoke', 'readmit']],
    [['--socket', '/x', 'host', 'inv'], ['invite']],
    [['host', 'invite', 'web1', '--pol'], ['--policy']],
    [['host', 'invite', 'web1', '--policy', 's'], ['standard']],
    [['operator', 'add', '--role', ''], ['viewer', 'operator', 'admin']],
    [['user', 'add', '--on', ''], []],
    [['user', 'remove', 'ada', '--k'], ['--keep-home']],
    [['completion', ''], ['bash', 'zsh', '--json', '--socket', '--help']],
    [['plan', '--no'], ['--noun']],
    [['nonsense', ''], []],
  ])('of bash offer for %j what fits', (words, expected) => {
    expect(complete(...words)).toEqual(expected);
  });
});
