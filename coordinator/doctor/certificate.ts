import { X509Certificate } from 'node:crypto';
import { failed, fine, run, advise, warning, type Finding } from '../../shared/model/check.js';
import { formatIdentity } from '../../shared/model/identity.js';
import { certificateProblem, keyFingerprint } from '../../shared/rpc/tls.js';
import { getHost, type HostRow } from '../inventory/host.js';
import { getHostKey } from '../inventory/key.js';
import { certificateLife } from '../pki/authority.js';
import type { World } from '../world.js';

/** With less than this left, renewing has failed for days, ms. */
const warningMs = 2 * 86_400_000;

/** Whether the certificate that something at the host's address has shown is the one of this host. */
export function judgeHostCertificate(world: World, host: HostRow, certificate: X509Certificate): Finding {
  const { db, authority, clock } = world;
  const root = new X509Certificate(authority.agentsRoot);
  if (!certificate.checkIssued(root) || !certificate.verify(root.publicKey)) return judgeForeign(world, host, certificate);
  const uri = formatIdentity({ kind: 'host', fleetId: authority.fleetId, hostId: host.id });
  if (certificate.subjectAltName !== `URI:${uri}`) return judgeOtherHost(world, host, certificate);
  const rejoin = run('coordinator', `reeve host invite ${host.name} --rejoin`, `Let it join again: run the line that this prints on ${host.name}.`);
  const key = getHostKey(db, keyFingerprint(certificate.publicKey));
  if (key?.hostId !== host.id) return failed('Its certificate is of this fleet, but its key is not in the inventory: the inventory may have been restored from an old backup.', rejoin);
  if (key.state === 'revoked') return failed('Its certificate was revoked.', rejoin);
  if (key.state === 'old') return failed('It shows a certificate that was replaced by a newer one: its state may have been restored from an old backup.', rejoin);
  const now = clock.now();
  const ends = Date.parse(certificate.validTo);
  if (now >= ends) return judgeExpired(host, now, ends);
  const problem = certificateProblem(certificate, { uri, usage: 'server', now });
  if (problem === 'it is not valid yet') {
    return failed(`Its certificate begins ${certificate.validFrom}: the coordinator's clock, ${new Date(now).toISOString()}, is behind by days.`, advise("Set the coordinator's clock."));
  }
  if (problem !== undefined) return failed(`Its certificate cannot be used: ${problem}.`, rejoin);
  const until = `until ${new Date(ends).toISOString()}`;
  if (ends - now < warningMs) return warning(`Its certificate is good only ${until}: it was not renewed in time.`, run(host.name, 'reeve-agent doctor', 'This says what is in the way.'));
  return fine(`Its certificate is of this fleet and this host, good ${until}.`);
}

function judgeExpired(host: HostRow, now: number, ends: number): Finding {
  const days = Math.floor((now - ends) / 86_400_000);
  const text = `Its certificate expired ${days === 0 ? 'less than a day' : `${String(days)} ${days === 1 ? 'day' : 'days'}`} ago.`;
  if (now > ends + certificateLife.readmitMs) {
    const readmit = run('coordinator', `reeve host readmit ${host.name}`, 'That is too long to come back without a question. This lets it come back within the next hour; it tries every few minutes.');
    return failed(text, readmit);
  }
  return failed(text, run(host.name, 'reeve-agent doctor', 'It comes back by itself when it reaches the coordinator on its ports for agents and for joining. This says what is in the way:'));
}

function judgeForeign(world: World, host: HostRow, certificate: X509Certificate): Finding {
  const fleetId = /^URI:reeve:\/\/([0-9a-f-]{36})\/host\/[0-9a-f-]{36}$/.exec(certificate.subjectAltName ?? '')?.[1];
  if (fleetId === undefined) {
    return failed('What answers there is not a Reeve agent: its certificate is of somebody else.', freePort(host));
  }
  const text =
    fleetId === world.authority.fleetId
      ? 'An agent answers there whose certificate names this fleet, but another authority has signed it.'
      : `An agent of another fleet (${fleetId}) answers there.`;
  return failed(text, advise(`If the address is wrong: reeve host set ${host.name} --address IP. If the host is to leave that fleet: reeve host invite ${host.name} --rejoin, and run the line that this prints on it.`));
}

function judgeOtherHost(world: World, host: HostRow, certificate: X509Certificate): Finding {
  const id = /\/host\/([0-9a-f-]{36})$/.exec(certificate.subjectAltName ?? '')?.[1] ?? '';
  const other = getHost(world.db, id);
  const name = other === undefined ? 'another host of this fleet' : `host "${other.name}"`;
  return failed(`At this address answers ${name}.`, advise(`Give ${host.name} its own address: reeve host set ${host.name} --address IP`));
}

/** What to do when something else has the agent's port. */
export function freePort(host: HostRow): ReturnType<typeof run> {
  const port = String(host.endpoint?.port ?? 0);
  return run(host.name, `ss -ltnp 'sport = :${port}'`, `This says what listens there. Stop it and start reeve-agent; or let the agent listen elsewhere ("listen" in /etc/reeve/agent.conf) and say so: reeve host set ${host.name} --address IP:PORT`);
}
