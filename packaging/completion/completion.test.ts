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
  const names = 'reeve() { case $2 in hosts) printf "%s\\n" web1 web2.example.org ;; backups) printf "%s\\n" shop mail ;; vhosts) [[ $3 != web1 ]] || printf "%s\\n" app.example.org ;; containers) [[ $3 != web1 ]] || printf "%s\\n" shop mail ;; *) [[ $3 != web1 ]] || printf "%s\\n" tcp/8080 udp/5000 ;; esac; };';
  const script = `${names} source "$0"; COMP_WORDS=(reeve "$@"); COMP_CWORD=$#; _reeve; printf "%s\\n" "\${COMPREPLY[@]}"`;
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
    [['user', 'add', '--uid', ''], []],
    [['user', 'remove', 'ada', '--k'], ['--keep-home']],
    [['completion', ''], ['bash', 'zsh', 'hosts', 'backups', 'forwards', 'vhosts', 'certs', 'containers', '--json', '--socket', '--help']],
    [['plan', '--no'], ['--noun']],
    [['nonsense', ''], []],
    [['nat', 'add', 'web1', '--proto', ''], ['tcp', 'udp']],
    [['nat', 'add', 'web1', '--confirm', ''], ['auto', 'manual']],
    [['nat', 'tr'], ['trace']],
    [['nat', 'remove', 'w'], ['web1', 'web2.example.org']],
    [['nat', 'remove', 'web1', ''], ['--confirm', '--confirm-timeout', '--plan', '--stage', '--yes', '--json', '--socket', '--help', 'tcp/8080', 'udp/5000']],
    [['nat', 'trace', '--from', '192.0.2.1', 'web1', 't'], ['tcp/8080']],
    [['nat', 'remove', 'web2.example.org', 't'], []],
    [['user', 'add', 'ada', '--on', 'w'], ['web1', 'web2.example.org']],
    [['vhost', 'remove', 'web1', 'a'], ['app.example.org']],
    [['vhost', 'remove', 'web2.example.org', 'a'], []],
    [['vhost', 'maintenance', 'on', 'web1', 'a'], ['app.example.org']],
    [['container', 'restart', 'web1', 's'], ['shop']],
    [['container', 'logs', '-n', '5', 'web1', 'm'], ['mail']],
    [['container', 'snapshot', 'create', 'web1', 'm'], ['mail']],
    [['container', 'image', 'im'], ['import']],
    [['container', 'add', 'web1', 'x', '--engine', ''], ['podman', 'lxc', 'pct']],
    [['container', 'show', 'web2.example.org', 's'], []],
    [['backup', 'run', 's'], ['shop']],
    [['backup', 'restore', '--to', 'web1:/srv', 'm'], ['mail']],
    [['backup', 'list', 'w'], ['web1', 'web2.example.org']],
    [['vhost', 'route', 'set', 'w'], ['web1', 'web2.example.org']],
    [['vhost', 'add', 'web1', 'x.example.org', '--client-cert', ''], ['optional', 'mandatory']],
  ])('of bash offer for %j what fits', (words, expected) => {
    expect(complete(...words)).toEqual(expected);
  });
});
