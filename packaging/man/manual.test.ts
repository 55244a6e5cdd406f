import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { nouns } from '../../coordinator/cli/tree.js';
import { policyOperations } from '../../shared/gen/privd.js';
import { renderManual } from './manual.js';

const folder = fileURLToPath(new URL('.', import.meta.url));
const pages = readdirSync(folder).filter((name) => /\.[1-8]$/.test(name));
const read = (name: string): string => readFileSync(`${folder}/${name}`, 'utf8');

describe('man pages', () => {
  it('reeve.1 is the one that the command tree makes', () => {
    expect(read('reeve.1') === renderManual(nouns) || 'run: npx tsx packaging/man/generate.ts').toBe(true);
  });

  it('reeve-policy.5 names every operation of the policy, and no other', () => {
    const named = [...read('reeve-policy.5').matchAll(/^\.BI? "?([a-z]+\.[a-z]+(?:\\-[a-z]+)?|relay)\b/gm)].map((match) => match[1]?.replace('\\', ''));
    expect([...new Set(named)].sort()).toEqual(policyOperations.map(({ name }) => name).sort());
  });

  it.each([
    ['reeve-agent.8', '../../agent/command/dispatch.ts'],
    ['reeved.8', '../../coordinator/main.ts'],
  ])('%s names every command and option that the help of its program names', (page, source) => {
    const help = /const help = `(.*?)`;/s.exec(readFileSync(new URL(source, import.meta.url), 'utf8'))?.[1] ?? '';
    const words = [...help.matchAll(/^ {2}(?:reeve-agent|reeved) ([a-z]+(?: [a-z]+)?)|(--[a-z-]+)/gm)].map((match) => match[1] ?? match[2] ?? '');
    expect(words.length).toBeGreaterThan(4);
    const text = read(page).replaceAll('\\-', '-');
    expect(words.filter((word) => !text.includes(word))).toEqual([]);
  });

  it.skipIf(!existsSync('/usr/bin/groff')).each(pages)('%s has nothing that groff warns of', (name) => {
    const ran = spawnSync('/usr/bin/groff', ['-mandoc', '-ww', '-z', '-Tutf8', '-rCHECKSTYLE=3', `${folder}/${name}`], { encoding: 'utf8' });
    expect([ran.status, ran.stdout, ran.stderr]).toEqual([0, '', '']);
  });

  it.each(pages)('%s refers to pages that are here, or to foreign ones', (name) => {
    for (const [, page, section] of read(name).matchAll(/^\.BR (reeve[a-z\\-]*) \(([1-8])\)/gm)) expect(pages).toContain(`${(page ?? '').replaceAll('\\', '')}.${section ?? ''}`);
  });
});
