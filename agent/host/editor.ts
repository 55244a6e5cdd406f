import { spawnSync } from 'node:child_process';
import { accessSync, constants, existsSync } from 'node:fs';
import { join } from 'node:path';

/** Folders a bare program name is looked for in; PATH of the caller is not asked. */
const folders = ['/usr/local/bin', '/usr/bin', '/bin'];

/** Debian's choice of an editor. */
const fallback = '/usr/bin/editor';

/** The editor that somebody named in $VISUAL or $EDITOR: one program, by path or by name. Anything with arguments, or not there, gives /usr/bin/editor. */
export function chooseEditor(wanted: string | undefined): string {
  if (wanted === undefined || !/^[A-Za-z0-9_./+-]+$/.test(wanted) || wanted.startsWith('-')) return fallback;
  const candidates = wanted.startsWith('/') ? [wanted] : wanted.includes('/') ? [] : folders.map((folder) => join(folder, wanted));
  return candidates.find(isProgram) ?? fallback;
}

/** Opens a file in an editor and waits for it. False: it did not end well. */
export function runEditor(editor: string, path: string): boolean {
  return spawnSync(editor, [path], { stdio: 'inherit' }).status === 0;
}

/** What the helper's own parser says about a policy file: its problems, or undefined when the helper is not installed. */
export function checkPolicyByHelper(program: string, path: string): readonly { line: number; text: string }[] | undefined {
  if (!existsSync(program)) return undefined;
  const result = spawnSync(program, ['--check-policy', path], { encoding: 'utf8', timeout: 10_000, env: {} });
  if (result.status === 0) return [];
  const problems = result.stdout.split('\n').flatMap((line) => {
    const [kind, number, text] = line.split('\t');
    return kind === 'problem' && number !== undefined && text !== undefined ? [{ line: Number(number), text }] : [];
  });
  return problems.length > 0 ? problems : [{ line: 0, text: 'reeve-privd refused the file without saying why' }];
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
