import { fieldMissing } from '../../shared/model/field.js';
import { parseHostName } from '../../shared/model/host.js';
import { defineCommand, type Noun } from './command.js';
import { renderBash, renderZsh } from './completion-text.js';
import type { Context } from './context.js';
import { protocolText } from './nat-rule-text.js';
import { backupService, certService, containerService, hostService, natService, vhostService } from './service.js';

/** `reeve completion`, for the nouns that the tree has. */
export function completionNoun(nouns: () => readonly Noun[]): Noun {
  const completion = defineCommand({
    path: 'completion',
    summary: 'Print a completion script for a shell',
    text: 'The Debian package installs both scripts; this is for shells elsewhere. With hosts, backups, forwards, vhosts, certs or containers it prints the names that the scripts offer, a line each.',
    positionals: { what: { text: 'The shell, or what a script asks for', choices: ['bash', 'zsh', 'hosts', 'backups', 'forwards', 'vhosts', 'certs', 'containers'] }, host: { text: 'With forwards, vhosts, certs or containers: the host', optional: true } },
    options: {},
    examples: [
      { line: 'source <(reeve completion bash)', text: 'Complete in this shell' },
      { line: 'reeve completion forwards web1', text: 'The ports that web1 forwards' },
    ],
    run: async (context, args) => {
      context.terminal.out(await textOf(context, nouns(), args));
      return 0;
    },
  });
  return { name: 'completion', summary: completion.summary, commands: [completion] };
}

async function textOf(context: Context, nouns: readonly Noun[], { what, host }: { what: string; host: string | undefined }): Promise<string> {
  switch (what) {
    case 'bash':
      return renderBash(nouns);
    case 'zsh':
      return renderZsh(nouns);
    case 'hosts': {
      const { hosts } = await (await context.api()).call(hostService, 'ListHost', {});
      return wordLines(hosts.map(({ name }) => name));
    }
    case 'backups': {
      const { rows } = await (await context.api()).call(backupService, 'ListBackups', {});
      return wordLines(rows.flatMap(({ backup }) => (backup === null ? [] : [backup.name])));
    }
    case 'vhosts': {
      const { rows } = await (await context.api()).call(vhostService, 'ListVhosts', { selector: parseHostName(host ?? '') });
      return wordLines(rows.flatMap(({ vhost }) => (vhost === null ? [] : [vhost.name])));
    }
    case 'certs': {
      const { rows } = await (await context.api()).call(certService, 'ListCerts', { selector: parseHostName(host ?? '') });
      return wordLines(rows.flatMap(({ cert }) => (cert === null ? [] : [cert.name])));
    }
    case 'containers': {
      const { rows } = await (await context.api()).call(containerService, 'ListContainers', { selector: parseHostName(host ?? ''), stored: true });
      return wordLines(rows.map(({ name }) => name));
    }
    default: {
      if (host === undefined) throw fieldMissing('the host', 'the one whose forwards are printed');
      const { rows } = await (await context.api()).call(natService, 'ListNat', { selector: parseHostName(host) });
      return wordLines(rows.flatMap(({ forward }) => (forward === null ? [] : [`${protocolText(forward.protocol)}/${String(forward.ports?.first ?? 0)}`])));
    }
  }
}

/** Words for a script, a line each. compgen(1) of bash expands what it is given: nothing but plain words may come out here, whatever a coordinator says. A site of a whole domain (*.example.org) is typed by hand. */
function wordLines(words: readonly string[]): string {
  return [...new Set(words)].filter((word) => /^[a-z0-9][a-z0-9._/-]*$/.test(word)).map((word) => `${word}\n`).join('');
}
