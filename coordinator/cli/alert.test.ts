import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { answers } from './testing/answer.js';
import { startCoordinator, type CannedCoordinator } from './testing/coordinator.js';
import { runCaptured } from './testing/terminal.js';

const url = 'https://chat.example.org/hooks/T0/s3cret';
let coordinator: CannedCoordinator;

beforeAll(async () => {
  coordinator = await startCoordinator();
});
afterAll(() => coordinator.close());
beforeEach(() => {
  coordinator.answers = answers;
  coordinator.requests.length = 0;
});

const add = (input: string | undefined, ...more: string[]) => runCaptured(coordinator.socket, ['alert', 'route', 'add', '--webhook', ...more], input === undefined ? {} : { input });
const webhooks = (): unknown[] => coordinator.requests.map(({ request }) => (request as { webhook?: unknown }).webhook);

it('the URL of a webhook comes from standard input, where nobody else sees it', async () => {
  const shown = await add(`${url}\n`, '-', '--severity', 'error');
  expect(shown.exit, shown.err).toBe(0);
  expect(webhooks()).toEqual([url]);
  expect(coordinator.requests[0]?.request).toMatchObject({ severity: 'error' });
});

it('or from the person at the terminal, who is not shown what they type', async () => {
  const shown = await runCaptured(coordinator.socket, ['alert', 'route', 'add', '--webhook', '-'], { answer: '', secret: url });
  expect(shown).toMatchObject({ exit: 0, asked: ['URL of the webhook: '] });
  expect(webhooks()).toEqual([url]);
});

it('or from the line, where it is no secret', async () => {
  expect((await add(undefined, url)).exit).toBe(0);
  expect(webhooks()).toEqual([url]);
});

it.each([
  [undefined, /standard input/],
  ['', /webhook/],
  [`${url}\n${url}\n`, /webhook/],
  ['https://ada:s3cret@chat.example.org/s3cret\n', /webhook/],
  [`https://chat.example.org/${'s3cret'.repeat(500)}\n`, /at most 1000 printable characters/],
])('one that is none is refused, and not shown: %#', async (input, named) => {
  const shown = await add(input, '-');
  expect(shown.exit).toBe(2);
  expect(shown.err).toMatch(named);
  expect(shown.out + shown.err).not.toContain('s3cret');
  expect(coordinator.requests).toEqual([]);
});
