import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import type { Lab, LabHost } from '../lab/lab.js';

const PORT = 5000;

/** A registry of the lab that hosts pull from. */
export interface Registry {
  /** Its name in those of images: ADDRESS:PORT. */
  readonly name: string;
  /** Lets a tag stand for an image; another root file system moves the tag. Gives the image's digest. */
  readonly push: (image: string, tag: string, root: Buffer, command?: readonly string[]) => string;
  /** Has podman of a host take it without TLS. */
  readonly trust: (host: LabHost) => Promise<void>;
}

const digestOf = (bytes: Buffer): string => `sha256:${createHash('sha256').update(bytes).digest('hex')}`;

/** Starts a registry (OCI Distribution 1.0, reading only) in the lab, with its files in `folder`; it ends with the lab. */
export async function startRegistry(lab: Lab, folder: string): Promise<Registry> {
  const server = lab.spawn([process.execPath, '--import', 'tsx', join(import.meta.dirname, 'registry-server.ts'), folder, lab.address, String(PORT)], { cwd: join(import.meta.dirname, '../..') });
  if (server.stdout === null) throw new Error('the registry has no output');
  await Promise.race([once(server.stdout, 'data'), once(server, 'exit').then(() => Promise.reject(new Error('the registry ended')))]);
  const name = `${lab.address}:${String(PORT)}`;
  return {
    name,
    push: (image, tag, root, command = []) => push(folder, image, tag, root, command),
    trust: (host) => host.write('/etc/containers/registries.conf.d/lab.conf', `[[registry]]\nlocation = "${name}"\ninsecure = true\n`),
  };
}

function push(folder: string, image: string, tag: string, root: Buffer, command: readonly string[]): string {
  const blobs = join(folder, 'blobs');
  const manifests = join(folder, 'manifests', image);
  for (const made of [blobs, manifests]) mkdirSync(made, { recursive: true });
  const keep = (bytes: Buffer, mediaType: string): { readonly mediaType: string; readonly digest: string; readonly size: number } => {
    writeFileSync(join(blobs, digestOf(bytes)), bytes);
    return { mediaType, digest: digestOf(bytes), size: bytes.length };
  };
  const config = { architecture: 'amd64', os: 'linux', config: { Cmd: command }, rootfs: { type: 'layers', diff_ids: [digestOf(root)] }, history: [] };
  const manifest = Buffer.from(JSON.stringify({
    schemaVersion: 2,
    mediaType: 'application/vnd.oci.image.manifest.v1+json',
    config: keep(Buffer.from(JSON.stringify(config)), 'application/vnd.oci.image.config.v1+json'),
    layers: [keep(gzipSync(root), 'application/vnd.oci.image.layer.v1.tar+gzip')],
  }));
  for (const reference of [tag, digestOf(manifest)]) writeFileSync(join(manifests, reference), manifest);
  return digestOf(manifest);
}
