import { createServer, type AddressInfo } from 'node:net';
import { expect, test } from 'vitest';
import { listeningSockets, listeningUids, parseListening, parseListeningSockets } from './listening.js';
import { parseUnits } from './unit.js';

test('units are read from what systemctl shows', () => {
  expect(parseUnits('Id=reeve-privd.socket\nLoadState=loaded\nActiveState=active\n\nId=reeve-agent.service\nLoadState=masked\nActiveState=failed\n')).toEqual([
    { name: 'reeve-privd.socket', load: 'loaded', active: 'active' },
    { name: 'reeve-agent.service', load: 'masked', active: 'failed' },
  ]);
  expect(parseUnits('')).toEqual([]);
});

test('only sockets that listen on the port count', () => {
  const text = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000:1CFC 00000000:0000 0A 00000000:00000000 00:00000000 00000000   999        0 23417 1
   1: 0100007F:1CFC 0100007F:9C40 01 00000000:00000000 00:00000000 00000000   998        0 23418 1
   2: 00000000:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 23419 1
`;
  expect(parseListening(text, 7420)).toEqual([999]);
  expect(parseListening(text, 22)).toEqual([0]);
  expect(parseListening(text, 7421)).toEqual([]);
});

test('a socket of this process is found under its account', async () => {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  expect(listeningUids(typeof address === 'object' && address !== null ? address.port : 0)).toEqual([process.getuid?.()]);
  server.close();
});

test('which sockets listen is read, and on which address', async () => {
  const head = '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n';
  const row = (local: string, state: string): string => `   0: ${local} 00000000:0000 ${state} 00000000:00000000 00:00000000 00000000     0        0 1 1 0 100 0 0 10 0\n`;
  expect(parseListeningSockets('tcp', head + row('0100007F:1F90', '0A') + row('0302000A:0050', '01') + row('00000000000000000000000001000000:0016', '0A') + row('zz:0016', '0A'))).toEqual([
    { protocol: 'tcp', address: '127.0.0.1', port: 8080 }, { protocol: 'tcp', address: '::1', port: 22 },
  ]);
  expect(parseListeningSockets('udp', head + row('00000000:0035', '07') + row('00000000:0036', '01'))).toEqual([{ protocol: 'udp', address: '0.0.0.0', port: 53 }]);
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  expect(listeningSockets()).toContainEqual({ protocol: 'tcp', address: '127.0.0.1', port });
  await new Promise((resolve) => server.close(resolve));
});
