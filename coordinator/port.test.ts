import { createServer, type AddressInfo } from 'node:net';
import { expect, test } from 'vitest';
import { refuseTakenPorts } from './port.js';

const host = '127.0.0.1';

test('a port that something listens on is refused, and a free one is taken', async () => {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, host, resolve));
  const { port } = server.address() as AddressInfo;
  await expect(refuseTakenPorts([{ field: 'agents port', host, port }])).rejects.toMatchObject({ code: 'FIELD_INVALID', message: expect.stringMatching(/agents port.*EADDRINUSE/s) as string });
  await new Promise((resolve) => server.close(resolve));
  await expect(refuseTakenPorts([{ field: 'agents port', host, port }])).resolves.toBeUndefined();
});

test('a port that is wanted twice is refused', async () => {
  await expect(refuseTakenPorts([{ field: 'agents port', host, port: 0 }, { field: 'enrolment port', host, port: 0 }])).rejects.toThrow(/enrolment port.*another one than the agents port/s);
});
