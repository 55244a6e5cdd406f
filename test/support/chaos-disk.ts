import type { LabHost } from '../lab/lab.js';

/** A folder of a host on a file system of its own that can be filled up. */
export interface SmallDisk {
  /** Fills it to the last byte. */
  fill(): Promise<void>;
  /** Gives the room back. */
  free(): Promise<void>;
}

/** Puts a folder of a host, with what is in it, on a small file system; the units that use it are stopped meanwhile. Ends with the host. */
export async function putOnSmallDisk(host: LabHost, options: { folder: string; size: string; units: readonly string[] }): Promise<SmallDisk> {
  const { folder, size, units } = options;
  await host.run(['systemctl', 'stop', ...units], { timeoutMs: 60_000 });
  await host.run(['cp', '--archive', folder, '/root/small-disk']);
  await host.run(['mount', '-t', 'tmpfs', '-o', `size=${size}`, 'small-disk', folder]);
  // Owner and mode of the folder itself come along with "/.".
  await host.run(['cp', '--archive', '/root/small-disk/.', folder]);
  await host.run(['rm', '-r', '/root/small-disk']);
  await host.run(['systemctl', 'start', ...[...units].reverse()], { timeoutMs: 60_000 });
  const filler = `${folder}/filler`;
  return {
    async fill() {
      const { code, stderr } = await host.exec(['dd', 'if=/dev/zero', `of=${filler}`, 'bs=4k', 'conv=fsync']);
      if (code === 0 || !stderr.includes('No space left')) throw new Error(`${folder} on ${host.name} is not full: ${stderr}`);
    },
    async free() {
      await host.run(['rm', filler]);
    },
  };
}
