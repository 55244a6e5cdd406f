import { createReadStream, fstatSync, openSync } from 'node:fs';
import type { ContainerFinished } from '../../shared/gen/proto/reeve/coordinator/v1/ContainerFinished.js';
import type { ImportImageRequestInput } from '../../shared/gen/proto/reeve/coordinator/v1/ImportImageRequest.js';
import { importKinds, parseImage, parseLocalImage } from '../../shared/model/container-field.js';
import { fieldInvalid, fieldMissing } from '../../shared/model/field.js';
import { parseHostName } from '../../shared/model/host.js';
import { vis } from '../../shared/model/vis.js';
import { answer } from './answer.js';
import { requireDecided } from './change.js';
import { defineCommand, hostPositional } from './command.js';
import { confirm } from './confirm.js';
import { followWork } from './container-progress.js';
import { renderImages } from './container-text.js';
import type { Context } from './context.js';
import { containerService } from './service.js';
import { formatBytes } from './size.js';

/** Largest part of a file in one message, bytes. */
const partBytes = 65_536;

/** `reeve container image`. */
export const image = defineCommand({
  path: 'container image',
  summary: 'List images and archives of a host, fetch or import one, take away what is not needed',
  text:
    'pull has podman fetch an image of a registry. import brings a file from here, or with - from standard input: a root file system as tar, which podman gets as an image of the name --image (kind rootfs) or which containers of lxc are made from ' +
    '(kind archive), or what podman save or docker save has written (kind image). Control-C ends both, and nothing is kept of it. prune takes away what no container needs, as far as it is ours to know.',
  positionals: {
    action: { text: 'What is done', choices: ['list', 'pull', 'import', 'prune'] },
    host: hostPositional,
    what: { text: 'With pull the image, REGISTRY/NAME:TAG; with import the file', optional: true },
  },
  options: {
    kind: { kind: 'value', value: 'KIND', text: 'With import: what the file is (default: rootfs with --image, else archive)', choices: importKinds },
    image: { kind: 'value', value: 'NAME', text: 'With import of a root file system: localhost/NAME:TAG that it is given' },
    plan: { kind: 'flag', text: 'With prune: only show what would go' },
    yes: { kind: 'flag', text: 'With prune: ask nothing' },
  },
  examples: [
    { line: 'reeve container image pull web1 docker.io/library/nginx:1.27', text: 'Fetch one before it is needed' },
    { line: 'reeve container image import web1 shop.tar --image localhost/shop:7', text: 'Our own, from a root file system' },
    { line: 'reeve container image import web1 debian12.tar.zst', text: 'For containers of lxc' },
    { line: 'reeve container image prune web1', text: 'Make room' },
  ],
  run: async (context, args) => {
    const host = parseHostName(args.host);
    const { action, what, kind } = args;
    const misplaced = (['kind', 'image'] as const).find((name) => args[name] !== undefined && action !== 'import') ?? (['plan', 'yes'] as const).find((name) => args[name] && action !== 'prune');
    if (misplaced !== undefined) throw fieldInvalid(`--${misplaced}`, 'given', `it does not go with ${action}`);
    if ((action === 'list' || action === 'prune') && what !== undefined) throw fieldInvalid('what', what, `nothing with ${action}`);
    switch (action) {
      case 'pull':
        return pull(context, host, what);
      case 'import':
        return bring(context, host, { file: what, kind: kind ?? (args.image === undefined ? 'archive' : 'rootfs'), image: args.image });
      case 'prune':
        return prune(context, host, args);
      default: {
        const response = await (await context.api()).call(containerService, 'ListImages', { host });
        return answer(context, response, () => renderImages(context.terminal, response.images, `No images. To fetch one: reeve container image pull ${host} IMAGE`));
      }
    }
  },
});

async function pull(context: Context, host: string, what: string | undefined): Promise<number> {
  if (what === undefined) throw fieldMissing('the image', 'REGISTRY/NAME:TAG');
  const { finished } = await followWork(context, (await context.api()).stream(containerService, 'PullImage', { host, image: parseImage(what) }));
  return answer(context, finished, () => finishedText(finished));
}

/** An image or archive from here. */
interface Brought {
  readonly file: string | undefined;
  readonly kind: string;
  readonly image: string | undefined;
}

async function bring(context: Context, host: string, { file, kind, image: name }: Brought): Promise<number> {
  if (file === undefined) throw fieldMissing('the file', 'a file, or - for standard input');
  if (kind === 'rootfs' && name === undefined) throw fieldMissing('--image', 'localhost/NAME:TAG that the image is given');
  if (kind !== 'rootfs' && name !== undefined) throw fieldInvalid('--image', name, 'it goes with a root file system: other archives have names of their own');
  const given = name === undefined ? '' : parseLocalImage(name, '--image');
  const { parts, size } = openFile(context, file);
  const messages = importMessages({ host, kind, image: given }, parts);
  const { finished } = await followWork(context, (await context.api()).duplex(containerService, 'ImportImage', messages), size);
  return answer(context, finished, () => `${finishedText(finished)}${kind === 'archive' ? `To use it: reeve container add ${host} NAME --archive ${vis(finished.digest)}\n` : ''}`);
}

function openFile({ terminal }: Context, file: string): { parts: AsyncIterable<Buffer>; size: number } {
  if (file === '-') {
    const parts = terminal.inputParts();
    if (parts === undefined) throw fieldMissing('standard input', 'the file, e.g. podman save IMAGE | reeve container image import HOST - --kind image');
    return { parts, size: 0 };
  }
  try {
    const fd = openSync(file, 'r');
    return { parts: createReadStream('', { fd, highWaterMark: partBytes }), size: fstatSync(fd).size };
  } catch {
    throw fieldInvalid('file', file, 'a file that can be read');
  }
}

async function* importMessages(start: NonNullable<ImportImageRequestInput['start']>, parts: AsyncIterable<Buffer>): AsyncGenerator<ImportImageRequestInput> {
  yield { start };
  for await (const part of parts) for (let at = 0; at < part.length; at += partBytes) yield { data: part.subarray(at, at + partBytes) };
  yield { end: true };
}

function finishedText({ digest, bytes, note }: ContainerFinished): string {
  return `${vis(digest)}${bytes === 0 ? '' : ` (${formatBytes(bytes)})`}\n${note === '' ? '' : `${vis(note)}\n`}`;
}

async function prune(context: Context, host: string, flags: { readonly plan: boolean; readonly yes: boolean }): Promise<number> {
  requireDecided(context, { ...flags, stage: false });
  const { terminal } = context;
  const api = await context.api();
  const run = async (mode: 'CHANGE_MODE_PLAN' | 'CHANGE_MODE_APPLY') => followWork(context, api.stream(containerService, 'PruneImages', { mode, host }));
  const none = 'Nothing to take away.';
  if (flags.plan || flags.yes) {
    const { images, finished } = await run(flags.plan ? 'CHANGE_MODE_PLAN' : 'CHANGE_MODE_APPLY');
    return answer(context, { images, finished }, () => renderImages(terminal, images, none) + (flags.yes && images.length > 0 ? 'Taken away.\n' : ''));
  }
  const planned = await run('CHANGE_MODE_PLAN');
  terminal.out(renderImages(terminal, planned.images, none));
  if (planned.images.length === 0) return 0;
  await confirm(context, 'Take them away?');
  const { images } = await run('CHANGE_MODE_APPLY');
  terminal.out(`${String(images.length)} taken away.\n`);
  return 0;
}
