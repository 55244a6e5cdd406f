import { access, constants, statfs } from 'node:fs/promises';
import { judgeVolume } from '../../shared/model/volume.js';
import type { Volume } from './host.js';

/** Longest wait for a file system to answer, ms. */
const statfsMs = 2_000;

/**
 * Room below the folders that Reeve writes to: `own` is written by the agent itself, the others by the helper, which says by its audit when it cannot.
 * What is not there, or does not answer, is left out.
 */
export async function readVolumes(own: string, others: readonly string[]): Promise<readonly Volume[]> {
  const volumes = await Promise.all([own, ...others].map((path) => readVolume(path, path === own)));
  return volumes.filter((volume) => volume !== undefined);
}

async function readVolume(path: string, mustWrite: boolean): Promise<Volume | undefined> {
  const late = new Promise<undefined>((resolve) => setTimeout(() => resolve(undefined), statfsMs).unref());
  const asked = statfs(path).catch(() => undefined);
  const room = await Promise.race([asked, late]);
  if (room === undefined) return undefined;
  const writable = !mustWrite || (await access(path, constants.W_OK).then(() => true, () => false));
  return { path, state: judgeVolume({ totalBytes: room.blocks * room.bsize, availableBytes: room.bavail * room.bsize, writable }) };
}
