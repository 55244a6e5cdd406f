import { defineCommand, type Noun } from './command.js';
import { renderBash, renderZsh } from './completion-text.js';

/** `reeve completion`, for the nouns that the tree has. */
export function completionNoun(nouns: () => readonly Noun[]): Noun {
  const completion = defineCommand({
    path: 'completion',
    summary: 'Print a completion script for a shell',
    text: 'The Debian package installs both scripts; this is for shells elsewhere.',
    positionals: { shell: { text: 'The shell', choices: ['bash', 'zsh'] } },
    options: {},
    examples: [{ line: 'source <(reeve completion bash)', text: 'Complete in this shell' }],
    run: (context, args) => {
      context.terminal.out(args.shell === 'bash' ? renderBash(nouns()) : renderZsh(nouns()));
      return Promise.resolve(0);
    },
  });
  return { name: 'completion', summary: completion.summary, commands: [completion] };
}
