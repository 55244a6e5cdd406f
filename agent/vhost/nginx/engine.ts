import { fileBase } from '../../../shared/model/vhost-name.js';
import type { Vhost } from '../../../shared/model/vhost.js';
import type { Engine, SiteFile } from '../engine.js';
import { authFiles } from './access.js';
import { serialize } from './serialize.js';
import { servers } from './server.js';

/** nginx, from 1.22 on. `ipv6`: the kernel has it; else nginx would take no site that listens there as well. */
export function nginx(ipv6: boolean): Engine {
  return { name: 'nginx', render: (site, modelSha) => renderSite(site, modelSha, ipv6) };
}

/** The files of a site. The first line of its configuration tells who made it and from which model. */
function renderSite(site: Vhost, modelSha: string, ipv6: boolean): readonly SiteFile[] {
  const base = fileBase(site.name);
  const { clientCert } = site;
  const head = `# Managed by Reeve: changes made here are told and not overwritten. model ${modelSha}\n`;
  return [
    { name: `${base}.conf`, kind: 'conf', text: `${head}${serialize(servers(site, modelSha, ipv6))}` },
    ...authFiles(site),
    ...(clientCert === undefined ? [] : [{ name: `${base}.ca`, kind: 'ca', text: clientCert.caPem } as const]),
    ...(clientCert?.crlPem === undefined ? [] : [{ name: `${base}.crl`, kind: 'crl', text: clientCert.crlPem } as const]),
  ];
}
