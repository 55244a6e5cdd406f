import { createPrivateKey, X509Certificate } from 'node:crypto';
import { expect } from 'vitest';
import type { LabHost } from '../lab/lab.js';
import { startFleet, type TestFleet } from './fleet.js';
import type { PackageKind } from './packages.js';
import type { TestPair } from './test-cert.js';

/** Where certificates stand on a host. */
export const certFolder = '/etc/ssl/reeve';

/** A unit that tells each reload. */
const demo = '[Service]\nExecStart=/bin/sleep infinity\nExecReload=/bin/sh -c "echo reloaded >>/run/demo.log"\n';

/** A fleet with one host, web1, which has demo.service and whose policy lets it be reloaded, and keys be read by group www-data. */
export async function startCertFleet(name: string, packages: PackageKind = 'normal'): Promise<TestFleet> {
  const fleet = await startFleet({ name, hosts: ['web1'], packages, resident: packages === 'test' });
  const web1 = fleet.host('web1');
  await web1.write('/etc/systemd/system/demo.service', demo);
  await web1.run(['systemctl', 'daemon-reload']);
  await web1.run(['systemctl', 'start', 'demo.service']);
  await web1.run(['sh', '-c', 'printf "allow cert.write group=www-data\\nallow cert.unit unit=demo.service,gone.service\\n" >>/etc/reeve/policy']);
  return fleet;
}

/** Puts certificate and key of the next command on the hub; answers the options that name them. */
export async function handOver(fleet: TestFleet, { cert, key }: TestPair): Promise<string[]> {
  await fleet.hub.write('/root/fullchain.pem', cert);
  await fleet.hub.write('/root/privkey.pem', key);
  return ['--cert', '/root/fullchain.pem', '--key', '/root/privkey.pem'];
}

/** How often demo.service was reloaded. */
export async function reloads(host: LabHost): Promise<number> {
  return Number(await host.run(['sh', '-c', 'cat /run/demo.log 2>/dev/null | wc -l']));
}

/** The names in the certificate that is in place; it is whole, and the key beside it is its own. Both are read from one folder: another one may take its place at any time. */
export async function inPlace(host: LabHost, name: string): Promise<string> {
  for (;;) {
    const folder = (await host.run(['readlink', `${certFolder}/${name}`])).trim();
    const [cert, key] = await Promise.all(['cert.pem', 'key.pem'].map((file) => host.exec(['cat', `${certFolder}/${folder}/${file}`])));
    if (cert === undefined || key === undefined || (await host.run(['readlink', `${certFolder}/${name}`])).trim() !== folder) continue;
    const certificate = new X509Certificate(cert.stdout);
    expect(certificate.checkPrivateKey(createPrivateKey(key.stdout))).toBe(true);
    return certificate.subjectAltName ?? '';
  }
}
