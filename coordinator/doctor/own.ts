import { accessSync, constants, statfsSync } from 'node:fs';
import { X509Certificate } from 'node:crypto';
import { dirname } from 'node:path';
import { failed, fine, run, warning, type Finding } from '../../shared/model/check.js';
import { formatIdentity } from '../../shared/model/identity.js';
import { judgeVolume, volumeText, type VolumeState } from '../../shared/model/volume.js';
import { certificateProblem } from '../../shared/rpc/tls.js';
import { damageOf } from '../inventory/write.js';
import type { World } from '../world.js';

/** Whether the coordinator's own certificate is in order: all hosts refuse it else. */
export function judgeOwnCertificate(world: World): Finding {
  const { authority, clock } = world;
  const certificate = new X509Certificate(authority.coordinator().certificate);
  const root = new X509Certificate(authority.controlRoot);
  const renew = run('coordinator', 'systemctl restart reeved', 'Have it make a new one. If it has expired or is not valid yet, look at the clock of the coordinator first.');
  const remake = run('coordinator', 'rm /var/lib/reeved/pki/coordinator.pem && systemctl restart reeved', 'Have it make a new one.');
  if (!certificate.checkIssued(root) || !certificate.verify(root.publicKey)) return failed("The coordinator's own certificate is not signed by the control root of this fleet; every host refuses it.", remake);
  const uri = formatIdentity({ kind: 'coordinator', fleetId: authority.fleetId });
  const problem = certificateProblem(certificate, { uri, usage: 'client', now: clock.now() }) ?? certificateProblem(certificate, { uri, usage: 'server', now: clock.now() });
  if (problem === undefined) return fine(`The coordinator's own certificate is good until ${new Date(certificate.validTo).toISOString()}.`);
  const dated = problem === 'it has expired' || problem === 'it is not valid yet';
  const dates = dated ? ` (valid from ${new Date(certificate.validFrom).toISOString()} to ${new Date(certificate.validTo).toISOString()}; the coordinator has ${new Date(clock.now()).toISOString()})` : '';
  return failed(`The coordinator's own certificate cannot be used: ${problem}${dates}. Every host refuses it.`, dated ? renew : remake);
}

/** Room for the inventory, in a word. */
export function ownVolume(world: World): { readonly path: string; readonly state: VolumeState } {
  const path = dirname(world.db.name);
  const room = statfsSync(path);
  return { path, state: judgeVolume({ totalBytes: room.blocks * room.bsize, availableBytes: room.bavail * room.bsize, writable: isWritable(path) && isWritable(world.db.name) }) };
}

function isWritable(path: string): boolean {
  try {
    accessSync(path, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

/** Whether the coordinator can store anything: without an audit record it changes nothing. */
export function judgeOwnDisk(world: World): Finding {
  const damage = damageOf(world.db);
  if (damage !== undefined) {
    return failed(`The inventory is damaged, nothing is stored any more: ${damage}`, run('coordinator', 'systemctl stop reeved && reeved restore FILE && systemctl start reeved', 'Restore the newest backup.'));
  }
  const { path, state } = ownVolume(world);
  const text = `${path} on the coordinator ${volumeText[state]}.`;
  if (state === 'ok') return fine(text);
  if (state === 'low') return warning(text, run('coordinator', `df -h ${path}`, 'Make room.'));
  const blocked = `${text} Without room for its audit records the coordinator changes nothing.`;
  if (state === 'full') return failed(blocked, run('coordinator', `df -h ${path}`, 'Make room; it goes on by itself.'));
  return failed(blocked, run('coordinator', `chown -R reeved:reeved ${path} && chmod -R u+rwX ${path}`, 'If its file system is mounted read-only, mount it again for writing; else:'));
}
