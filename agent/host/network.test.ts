import { createServer, type AddressInfo } from 'node:net';
import { describe, expect, it } from 'vitest';
import { connectedNetwork, interfaceTo, isLocal } from '../nat/foreign/network.js';
import { checkReach, parseAdvertised, parseNetworkFiles, readAdvertised, readBootFiles, readNetwork } from './network.js';

const dev = `Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
    lo:  100       1    0    0    0     0          0         0      100       1    0    0    0     0       0          0
  eth0:  100       1    0    0    0     0          0         0      100       1    0    0    0     0       0          0
   br0:  100       1    0    0    0     0          0         0      100       1    0    0    0     0       0          0
`;
const route = `Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT
eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0
eth0\t000200C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0
br0\t0000000A\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0
`;
const fibTrie = `Local:
  +-- 0.0.0.0/0 3 0 5
     |-- 10.0.0.1
        /32 host LOCAL
     |-- 127.0.0.1
        /32 host LOCAL
     |-- 192.0.2.10
        /32 host LOCAL
     |-- 198.51.100.7
        /32 host LOCAL
     |-- 10.0.0.255
        /32 link BROADCAST
`;
const ifInet6 = `00000000000000000000000000000001 01 80 10 80       lo
fd000000000000000000000000000001 03 40 00 80      br0
fe800000000000000000000000000001 02 40 20 80     eth0
`;
const zero = '0'.repeat(32);
const ipv6Route = `fd000000000000000000000000000000 40 ${zero} 00 ${zero} 00000100 00000001 00000000 00000001      br0
${zero} 00 ${zero} 00 fe800000000000000000000000000099 00000400 00000001 00000000 00450003     eth0
${zero} 00 ${zero} 00 ${zero} ffffffff 00000001 00000000 00200200       lo
${zero} 00 ${zero} 00 fe800000000000000000000000000098 00000400 00000001 00000000 00000003      br0
`;

describe('interfaces, addresses and routes', () => {
  const network = parseNetworkFiles({ dev, fibTrie, route, ifInet6, ipv6Route });

  it('come from the files of /proc/net', () => {
    expect(network.interfaces).toEqual([
      { name: 'lo', addresses: [] },
      { name: 'eth0', addresses: [{ address: '192.0.2.10', prefix: 24 }, { address: '198.51.100.7', prefix: 32 }, { address: 'fe80::1', prefix: 64 }] },
      { name: 'br0', addresses: [{ address: '10.0.0.1', prefix: 24 }, { address: 'fd00::1', prefix: 64 }] },
    ]);
    expect(network.routes).toEqual([
      { family: 4, destination: '0.0.0.0', prefix: 0, interface: 'eth0', gateway: '192.0.2.1' },
      { family: 4, destination: '192.0.2.0', prefix: 24, interface: 'eth0', gateway: undefined },
      { family: 4, destination: '10.0.0.0', prefix: 24, interface: 'br0', gateway: undefined },
      { family: 6, destination: 'fd00::', prefix: 64, interface: 'br0', gateway: undefined },
      { family: 6, destination: '::', prefix: 0, interface: 'eth0', gateway: 'fe80::99' },
      { family: 6, destination: '::', prefix: 0, interface: 'br0', gateway: 'fe80::98' },
    ]);
  });

  it('say which addresses are the own ones, a /32 without a route among them, and where others are', () => {
    expect(['192.0.2.10', '198.51.100.7', 'fd00::1', '10.0.0.2', '10.0.0.255'].map((address) => isLocal(network, address))).toEqual([true, true, true, false, false]);
    expect(connectedNetwork(network, '10.0.0.9')).toBe('10.0.0.0/24');
    expect(['10.0.0.9', '203.0.113.1', 'fd00::9'].map((address) => interfaceTo(network, address))).toEqual(['br0', 'eth0', 'br0']);
  });

  it('are none where the files say nothing that is understood', () => {
    expect(parseNetworkFiles({ dev: '', fibTrie: '', route: 'x', ifInet6: 'zz', ipv6Route: 'q q q' })).toEqual({ interfaces: [], routes: [] });
  });

  it('of this machine can be read', () => {
    expect(readNetwork().interfaces.map(({ name }) => name)).toContain('lo');
    expect(readAdvertised()).toEqual(expect.any(Array));
    expect(readBootFiles().every(({ path }) => path.startsWith('/etc/'))).toBe(true);
  });
});

it('a default route that came by a router advertisement is told from one that somebody set', () => {
  expect(parseAdvertised(ipv6Route)).toEqual(['eth0']);
  expect(parseAdvertised(`${zero} 00 ${zero} 00 ${zero} 0 0 0 00450003 ../../x\n`)).toEqual([]);
});

it('a port is open, or refused', async () => {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  expect(await checkReach('127.0.0.1', port, 5000)).toBe('');
  await new Promise((resolve) => server.close(resolve));
  expect(await checkReach('127.0.0.1', port, 5000)).toBe('refused');
});
