import { expect, it } from 'vitest';
import { desiredRelay } from './relay.js';

it('lists the children of a host, sorted by id', () => {
  const child = (hostId: string) => ({ hostId, name: hostId, address: '10.0.0.1', port: 7420 });
  expect(desiredRelay([child('b'), child('a')])).toEqual([child('a'), child('b')]);
});
