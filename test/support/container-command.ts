import type { ContainerRow } from '../../shared/gen/proto/reeve/coordinator/v1/ContainerRow.js';
import type { TestFleet } from './fleet.js';

/** Gives a host an archive by the command line; answers its digest: NAME@sha256:DIGEST of an image, 64 hex digits of an archive for lxc. */
export async function importArchive(fleet: TestFleet, host: string, bytes: Uint8Array, kind: 'rootfs' | 'image' | 'archive', image?: string): Promise<string> {
  const file = `/root/${kind}.tar`;
  await fleet.hub.write(file, bytes);
  const { digest } = await fleet.json<{ digest: string }>(['container', 'image', 'import', host, file, '--kind', kind, ...(image === undefined ? [] : ['--image', image])]);
  return digest;
}

/** A container as `reeve container list` has it. */
export async function rowOf(fleet: TestFleet, host: string, name: string): Promise<ContainerRow> {
  const { rows } = await fleet.json<{ rows: ContainerRow[] }>(['container', 'list', '--on', host]);
  const row = rows.find((known) => known.name === name);
  if (row === undefined) throw new Error(`no container ${name}: ${rows.map((known) => known.name).join(', ')}`);
  return row;
}

/** What a web server answers to one request of the hub, which is another machine. Throws when it does not, or not with 200. */
export async function askContainer(fleet: TestFleet, url: string): Promise<string> {
  const script = 'fetch(process.argv[1], { signal: AbortSignal.timeout(20000) }).then(async (r) => { if (r.status !== 200) throw new Error(String(r.status)); process.stdout.write(await r.text()); })';
  return fleet.hub.run(['/usr/lib/reeve/node', '-e', script, url]);
}
