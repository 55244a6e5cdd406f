import { describe, expect, it } from 'vitest';
import { exampleNetwork, loadRules } from './fixture/load.js';
import { tracePacket } from './trace.js';

/** Ruleset, protocol/port, from, to: verdict, where it arrives, interface. */
const cases: readonly (readonly [string, string, string, string, string, string, string])[] = [
  ['plain', 'tcp/8080', '198.18.0.9', '198.18.0.1', 'accept', '10.0.3.2:80', 'lxcbr0'],
  ['plain', 'tcp/8005', '198.18.0.9', '198.18.0.1', 'unknown', '10.0.3.2:8005', 'lxcbr0'],
  ['plain', 'tcp/2222', '198.18.0.9', '198.18.0.1', 'unknown', '10.0.3.2:22', 'lxcbr0'],
  ['plain', 'tcp/9000', '198.18.0.9', '198.18.0.1', 'accept', '198.18.0.1:9000', 'lo'],
  ['plain', 'tcp/9000', '198.51.100.7', '198.18.0.1', 'drop', '10.0.3.2:9000', 'lxcbr0'],
  ['plain', 'tcp/7000', '198.18.0.9', '198.18.0.1', 'drop', '10.0.3.2:70', 'lxcbr0'],
  ['plain', 'tcp/7001', '198.18.0.9', '198.18.0.1', 'drop', '198.18.0.1:7001', 'lo'],
  ['plain', 'tcp/23', '198.18.0.9', '198.18.0.1', 'reject', '198.18.0.1:23', 'lo'],
  ['plain', 'udp/9', '198.18.0.9', '198.18.0.1', 'drop', '198.18.0.1:9', 'lo'],
  ['plain', 'tcp/25', '10.0.3.2', '198.18.0.1', 'accept', '198.18.0.1:25', 'lo'],
  ['iptables', 'tcp/8080', '198.18.0.9', '198.18.0.1', 'accept', '10.0.3.2:80', 'lxcbr0'],
  ['iptables', 'udp/5353', '198.18.0.9', '198.18.0.1', 'accept', '10.0.3.2:5353', 'lxcbr0'],
  ['iptables', 'tcp/1005', '198.18.0.9', '198.18.0.1', 'accept', '10.0.3.2:1005', 'lxcbr0'],
  ['iptables', 'tcp/2222', '198.51.100.7', '198.18.0.1', 'accept', '10.0.3.2:22', 'lxcbr0'],
  ['iptables', 'tcp/3128', '198.18.0.9', '198.18.0.1', 'accept', '198.18.0.1:8118', 'lo'],
  ['iptables', 'tcp/81', '198.18.0.9', '10.0.3.2', 'reject', '10.0.3.2:81', 'lxcbr0'],
  ['iptables', 'tcp/82', '198.18.0.9', '10.0.3.2', 'drop', '10.0.3.2:82', 'lxcbr0'],
  ['docker', 'tcp/8080', '198.18.0.9', '198.18.0.1', 'accept', '172.17.0.2:80', 'docker0'],
  ['docker', 'tcp/80', '198.18.0.9', '10.0.3.2', 'drop', '10.0.3.2:80', 'lxcbr0'],
  ['docker', 'tcp/80', '172.17.0.5', '10.0.3.2', 'accept', '10.0.3.2:80', 'lxcbr0'],
  ['podman', 'tcp/8081', '198.18.0.9', '198.18.0.1', 'accept', '10.88.0.2:80', 'podman0'],
  ['lxc', 'tcp/80', '198.18.0.9', '10.0.3.2', 'accept', '10.0.3.2:80', 'lxcbr0'],
  ['firewalld', 'tcp/8080', '198.18.0.9', '198.18.0.1', 'accept', '10.0.3.2:80', 'lxcbr0'],
  ['firewalld', 'tcp/80', '198.18.0.9', '10.0.3.2', 'reject', '10.0.3.2:80', 'lxcbr0'],
  ['firewalld', 'tcp/22', '198.18.0.9', '198.18.0.1', 'accept', '198.18.0.1:22', 'lo'],
  ['firewalld', 'tcp/25', '198.18.0.9', '198.18.0.1', 'reject', '198.18.0.1:25', 'lo'],
  // Of two of one priority, the one that was made last.
  ['maps', 'tcp/6000', '198.18.0.9', '198.18.0.1', 'accept', '172.17.0.2:81', 'docker0'],
  ['maps', 'tcp/8023', '198.18.0.9', '198.18.0.1', 'accept', '172.17.0.2:8023', 'docker0'],
  ['maps', 'tcp/8100', '198.18.0.9', '198.18.0.1', 'accept', '10.0.3.2:80', 'lxcbr0'],
  ['maps', 'tcp/8102', '198.18.0.9', '198.18.0.1', 'drop', '10.0.3.2:99', 'lxcbr0'],
  ['maps', 'tcp/8205', '198.18.0.9', '198.18.0.1', 'accept', '172.17.0.2:8205', 'docker0'],
  ['maps', 'tcp/8210', '198.18.0.9', '198.18.0.1', 'accept', '198.18.0.1:8210', 'lo'],
  ['maps', 'tcp/8505', '198.18.0.9', '198.18.0.1', 'accept', '10.0.3.2:80', 'lxcbr0'],
  ['maps', 'udp/53', '198.51.100.7', '198.18.0.1', 'accept', '10.0.3.2:53', 'lxcbr0'],
  ['maps', 'udp/54', '198.51.100.7', '198.18.0.1', 'drop', '172.17.0.2:54', 'docker0'],
  // Before conntrack no packet is new, all are invalid.
  ['maps', 'tcp/8300', '198.18.0.9', '198.18.0.1', 'accept', '198.18.0.1:8300', 'lo'],
  ['maps', 'tcp/8301', '198.18.0.9', '198.18.0.1', 'drop', '198.18.0.1:8301', 'lo'],
  ['maps', 'tcp/82', '198.18.0.9', '10.0.3.2', 'drop', '10.0.3.2:82', 'lxcbr0'],
  ['maps', 'tcp/98', '198.18.0.9', '10.0.3.2', 'unknown', '10.0.3.2:98', 'lxcbr0'],
  ['maps', 'tcp/82', '2001:db8::9', 'fd00::2', 'accept', '[fd00::2]:82', 'lxcbr0'],
  // From the host itself, through its output chains.
  ['maps', 'tcp/8900', '198.18.0.1', '198.18.0.1', 'accept', '10.0.3.2:80', 'lxcbr0'],
  ['maps', 'tcp/8301', '198.18.0.1', '198.18.0.1', 'drop', '198.18.0.1:8301', 'lo'],
  ['maps', 'tcp/6000', '198.18.0.1', '198.18.0.1', 'accept', '198.18.0.1:6000', 'lo'],
  ['ufw', 'tcp/8080', '198.18.0.9', '198.18.0.1', 'drop', '10.0.3.2:80', 'lxcbr0'],
  ['ufw', 'tcp/443', '198.18.0.9', '10.0.3.2', 'accept', '10.0.3.2:443', 'lxcbr0'],
  ['ufw', 'tcp/22', '198.18.0.9', '198.18.0.1', 'accept', '198.18.0.1:22', 'lo'],
  ['ufw', 'tcp/8080', '2001:db8::9', '2001:db8::1', 'accept', '[fd00::2]:80', 'lxcbr0'],
];

describe('the way of a packet', () => {
  it.each(cases)('%s: %s from %s to %s', (name, what, from, to, verdict, arrives, out) => {
    const [protocol, port] = what.split('/');
    const trace = tracePacket(loadRules(name), { protocol: protocol === 'udp' ? 'udp' : 'tcp', port: Number(port), from, to }, exampleNetwork);
    expect({ verdict: trace.verdict, arrives: trace.arrives, interface: trace.interface }, JSON.stringify(trace.steps, undefined, 1)).toEqual({ verdict, arrives, interface: out });
  });

  it('names the rules it meets', () => {
    const trace = tracePacket(loadRules('docker'), { protocol: 'tcp', port: 8080, from: '198.18.0.9', to: '198.18.0.1' }, exampleNetwork);
    expect(trace.steps.map(({ rule, verdict, maybe }) => `${rule.replace(/[0-9]+$/, 'N')}: ${verdict}${maybe ? ' (maybe)' : ''}`)).toMatchInlineSnapshot(`
      [
        "ip nat PREROUTING handle N: jump DOCKER",
        "ip nat DOCKER handle N: dnat to 172.17.0.2:80",
        "ip filter FORWARD handle N: jump DOCKER-USER",
        "ip filter DOCKER-USER handle N: return",
        "ip filter FORWARD handle N: jump DOCKER-ISOLATION-STAGE-1",
        "ip filter DOCKER-ISOLATION-STAGE-1 handle N: return",
        "ip filter FORWARD handle N: jump DOCKER",
        "ip filter DOCKER handle N: accept",
      ]
    `);
  });
});
