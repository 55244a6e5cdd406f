import { describe, expect, it } from 'vitest';
import { runCaptured, transcript } from './testing/terminal.js';
import { allCommands, nouns } from './tree.js';

const lines = [[], ...nouns.filter((noun) => noun.commands[0]?.path !== noun.name).map((noun) => [noun.name]), ...allCommands().map((command) => command.path.split(' '))];

describe('help', () => {
  it.each(lines.map((line) => [line.join(' ') || 'reeve', line] as const))('of %s reads as in its golden file', async (name, line) => {
    const ran = await runCaptured('/nowhere', [...line, '--help']);
    expect(ran.exit).toBe(0);
    expect(ran.err).toBe('');
    await expect(transcript([...line, '--help'], ran)).toMatchFileSnapshot(`golden/help/${name.replace(' ', '-')}.txt`);
  });

  it('shows the version', async () => {
    expect(await runCaptured('/nowhere', ['--version'])).toMatchObject({ out: '1.2.3\n', exit: 0 });
  });

  it('has an example for every command that the parser accepts', async () => {
    for (const command of allCommands()) {
      for (const { line } of command.examples) {
        const words = [...line.replace(/^source <\((.*)\)$/, '$1').replace(/ > \S+$/, '').matchAll(/'([^']*)'|([^' ]+)/g)].map(([, quoted, plain]) => quoted ?? plain ?? '');
        expect(words.shift()).toBe('reeve');
        const ran = await runCaptured('/nowhere', words);
        expect([line, ran.err]).not.toContain('not known here');
        // What an example names is not here.
        expect([line, ran.exit === 2 && !/nobody can be asked|a file that can be read/.test(ran.err)]).toEqual([line, false]);
      }
    }
  });
});
