import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, describe, expect, it } from 'vitest';

const zsh = '/usr/bin/zsh';
const folder = mkdtempSync(join(tmpdir(), 'reeve-zsh-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Runs an interactive zsh in a pseudo terminal, types the line and a tab, and prints every match that a completion function offers. */
const ASK = String.raw`
zmodload zsh/zpty
zpty child zsh -f -i
zpty -w child 'PROMPT=""; unsetopt zle_bracketed_paste 2>/dev/null; fpath=($COMPLETIONS $fpath); autoload -Uz compinit; compinit -D -u
reeve() { case $2 in (hosts) print -l web1 web2.example.org ;; (backups) print -l shop mail ;; (vhosts) [[ $3 != web1 ]] || print -l app.example.org ;; (*) [[ $3 != web1 ]] || print -l tcp/8080 udp/5000 ;; esac }
compadd() {
  if [[ " $* " == *" -"[OAD]" "* ]]; then builtin compadd "$@"; return; fi
  local -a hits; builtin compadd -A hits "$@"; local hit; for hit in $hits; do print -r -- "<match>$hit</match>"; done
  builtin compadd "$@"
}
over() { print "<over>"; exit 0 }
comppostfuncs=(over); bindkey "^I" complete-word; print "<rea""dy>"'
local text all=
until [[ $all == *"<ready>"* ]]; do zpty -r child text || exit 3; all+=$text; done
zpty -n -w child "$LINE"$'\t'
all=
until [[ $all == *"<over>"* ]]; do zpty -r child text || break; all+=$text; done
print -r -- "$all"
`;

async function complete(line: string): Promise<string[]> {
  const env = { PATH: '/usr/bin:/bin', HOME: folder, ZDOTDIR: folder, TERM: 'dumb', LC_ALL: 'C.UTF-8', COMPLETIONS: import.meta.dirname, LINE: line };
  const { stdout } = await promisify(execFile)(zsh, ['-f', '-c', ASK], { env, timeout: 20_000, cwd: folder });
  return [...new Set([...stdout.matchAll(/<match>([^<]*)<\/match>/g)].map((match) => match[1] ?? ''))];
}

describe.skipIf(!existsSync(zsh))('completion in a real zsh', () => {
  it.each([
    ['reeve ho', ['host']],
    ['reeve host re', ['readmit', 'retire', 'revoke']],
    ['reeve host invite web1 --pol', ['--policy']],
    ['reeve host invite web1 --policy s', ['standard']],
    ['reeve user remove ada --k', ['--keep-home']],
    ['reeve operator add --role ', ['admin', 'operator', 'viewer']],
    ['reeve nat add web1 --proto ', ['tcp', 'udp']],
    ['reeve nat show w', ['web1', 'web2.example.org']],
    ['reeve nat remove web1 t', ['tcp/8080']],
    ['reeve nat trace --from 192.0.2.1 web1 ', ['tcp/8080', 'udp/5000']],
    ['reeve host list --on w', ['web1', 'web2.example.org']],
    ['reeve vhost remove web1 a', ['app.example.org']],
    ['reeve vhost maintenance on web1 a', ['app.example.org']],
    ['reeve backup show s', ['shop']],
    ['reeve nonsense ', []],
  ])('offers for %j what fits', async (line, expected) => {
    const offered = await complete(line);
    expect(offered).toEqual(expect.arrayContaining(expected));
    expect(offered.filter((word) => !word.startsWith(line.split(' ').at(-1) ?? ''))).toEqual([]);
    if (expected.length === 0) expect(offered).toEqual([]);
  });
});
