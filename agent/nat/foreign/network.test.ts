import { describe, expect, it } from 'vitest';
import { exampleNetwork as network } from './fixture/load.js';
import { connectedNetwork, interfaceTo, isLocal } from './network.js';

describe('the network of a host', () => {
  it.each([['10.0.3.2', '10.0.3.0/24'], ['fd00::2', 'fd00::/64'], ['172.17.200.9', '172.17.0.0/16'], ['10.0.4.2', undefined], ['no address', undefined]])('has %s in %s', (address, expected) => {
    expect(connectedNetwork(network, address)).toBe(expected);
  });

  it('takes the smallest of several networks', () => {
    const two = { interfaces: [{ name: 'a', addresses: [{ address: '10.0.0.1', prefix: 8 }] }, { name: 'b', addresses: [{ address: '10.0.3.1', prefix: 24 }] }], routes: [] };
    expect(connectedNetwork(two, '10.0.3.2')).toBe('10.0.3.0/24');
    expect(interfaceTo(two, '10.0.3.2')).toBe('b');
    expect(interfaceTo(two, '192.0.2.1')).toBeUndefined();
  });

  it.each([['10.0.3.2', 'lxcbr0'], ['192.0.2.9', 'eth0'], ['10.88.4.4', 'podman0'], ['198.18.0.1', 'lo'], ['127.0.0.9', 'lo'], ['2001:db8:1::1', 'eth0'], ['fd00::1', 'lo']])('sends to %s through %s', (address, expected) => {
    expect(interfaceTo(network, address)).toBe(expected);
    expect(isLocal(network, address)).toBe(expected === 'lo');
  });
});
