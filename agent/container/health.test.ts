import { createServer, type AddressInfo, type Server } from 'node:net';
import { createServer as createWebServer } from 'node:http';
import { afterEach, describe, expect, it } from 'vitest';
import { createSimulatedHost } from '../../test/support/simulated-host.js';
import { podmanSpec, testImage } from '../../test/support/test-container.js';
import { newId } from '../../shared/kit/id.js';
import type { ContainerHealth, ContainerSpec } from '../../shared/model/container.js';
import { formatContainerText } from '../../shared/model/container-text.js';
import { checkReach } from '../host/network.js';
import { askSite } from '../host/web.js';
import { askHealth, awaitHealth } from './health.js';

const servers: Server[] = [];
afterEach(() => Promise.all(servers.splice(0).map((server) => new Promise((resolve) => server.close(resolve)))));

async function listen(server: Server): Promise<number> {
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}

/** A simulated host whose sockets are real. */
const host = Object.assign(createSimulatedHost(), { checkReach, askSite });
const place = { host, hostName: 'box' };
const id = newId(Date.now());
const checked = (port: number, check: string, over: Partial<ContainerSpec> = {}): ContainerSpec => {
  const health: ContainerHealth = check === 'tcp' ? { kind: 'tcp', port, startSeconds: 1 } : { kind: 'http', port, path: check, startSeconds: 1 };
  return podmanSpec({ ports: [{ protocol: 'tcp', address: '0.0.0.0', port, inside: 80 }], health, ...over });
};

function put(spec: ContainerSpec): void {
  const text = formatContainerText(spec);
  host.containers.containers.set('web', { name: 'web', engine: 'podman', text, before: undefined, state: 'running', reason: '', runs: text, edited: '', built: true, image: '', address: '', bridge: '', log: [], snapshots: new Map() });
}

describe('the health of a container', () => {
  it('is that its port takes a connection', async () => {
    const port = await listen(createServer((socket) => socket.end()));
    expect(await askHealth(place, id, 'web', checked(port, 'tcp'))).toEqual({ healthy: true });
    const [free = 0] = await host.freePorts(1);
    expect(await askHealth(place, id, 'web', checked(free, 'tcp'))).toEqual({ healthy: false, reason: `port ${String(free)} of 127.0.0.1 does not take a connection: refused` });
  });

  it('is that a page answers with 200 to 399', async () => {
    const port = await listen(createWebServer((request, response) => void response.writeHead(Number(request.url?.slice(1))).end()));
    for (const path of ['/200', '/399']) expect(await askHealth(place, id, 'web', checked(port, path))).toEqual({ healthy: true });
    for (const path of ['/404', '/503']) expect(await askHealth(place, id, 'web', checked(port, path))).toEqual({ healthy: false, reason: `port ${String(port)} of 127.0.0.1 answers "${path}" with status ${path.slice(1)}` });
  });

  it('is what its command says, and none at all where there is no check', async () => {
    const spec = podmanSpec({ health: { kind: 'command', words: ['/bin/check'], startSeconds: 1 } });
    put(spec);
    expect(await askHealth(place, id, 'web', spec)).toEqual({ healthy: true });
    host.containers.unhealthy.add(testImage());
    expect(await askHealth(place, id, 'web', spec)).toEqual({ healthy: false, reason: 'its check says: the check ended with 1' });
    host.containers.unhealthy.clear();
    expect(await askHealth(place, id, 'web', podmanSpec())).toEqual({ healthy: true });
  });

  it('is waited for, but not of one that ended, nor of one that sleeps', async () => {
    let answers = 503;
    const port = await listen(createWebServer((_request, response) => {
      response.writeHead(answers).end();
      answers = 200;
    }));
    const spec = checked(port, '/');
    put(spec);
    expect(await awaitHealth(place, id, 'web', spec)).toBe('');
    const [free = 0] = await host.freePorts(1);
    put(checked(free, '/'));
    expect(await awaitHealth(place, id, 'web', checked(free, '/'))).toBe(`port ${String(free)} of 127.0.0.1 does not answer "/": ECONNREFUSED, after 1 s`);
    Object.assign(host.containers.containers.get('web') ?? {}, { state: 'failed', reason: 'exit code 3' });
    expect(await awaitHealth(place, id, 'web', checked(free, '/', { health: { kind: 'http', port: free, path: '/', startSeconds: 900 } }))).toBe('it ended: exit code 3');
    expect(await awaitHealth(place, id, 'web', checked(free, '/', { idleSeconds: 60 }))).toBe('');
  });
});
