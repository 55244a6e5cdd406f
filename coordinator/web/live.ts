import type { ServerResponse } from 'node:http';
import { waitFor } from '../../shared/kit/deadline.js';
import type { Logger } from '../../shared/kit/log.js';
import type { Channel } from '../../shared/rpc/client.js';
import { answerMs, hasEnded, webService } from './session.js';

/** How many pages may follow the fleet. */
const most = { total: 100, perSession: 4 } as const;

/** How often a line is sent so that proxies keep a connection, and how often it is asked whether its session still lives, ms. */
const beat = { lineMs: 15_000, sessionMs: 30_000 } as const;

/** Until the coordinator is asked again after its stream broke, ms. */
const againMs = 1_000;

/** Most that waits for a page that does not read, bytes. */
const mostWaitingBytes = 65_536;

/** A page that follows the fleet. */
interface Subscriber {
  readonly token: string;
  readonly response: ServerResponse;
  /** The last revision that the page knew when it connected; undefined: none. */
  readonly before: string | undefined;
  /** The last that it was told. */
  told: number | undefined;
}

/** Pages that follow the fleet, over one stream from the coordinator however many they are. */
export interface Live {
  /** Takes a response over, whose headers are set. False: there are too many already. */
  subscribe(response: ServerResponse, from: { readonly token: string; readonly before: string | undefined }): boolean;
  /** A session has ended: its pages follow no more. */
  drop(token: string): void;
  close(): void;
}

/** Nothing runs while no page follows. */
export function createLive(api: Channel, log: Logger): Live {
  const subscribers = new Set<Subscriber>();
  let upstream: AbortController | undefined;
  /** The revision of now; undefined: the stream does not stand. */
  let revision: number | undefined;

  const write = ({ response }: Subscriber, text: string): void => {
    response.write(text);
    // Who does not read is cut off; it comes back and is told that it missed something.
    if (response.writableLength > mostWaitingBytes) response.destroy();
  };
  /** `anew`: the stream was broken, so that something may have been missed. */
  const tell = (subscriber: Subscriber, now: number, anew: boolean): void => {
    if (subscriber.told === now) return;
    const missed = subscriber.told === undefined ? subscriber.before !== undefined && subscriber.before !== String(now) : anew;
    const event = missed ? 'gap' : subscriber.told === undefined ? 'now' : 'changed';
    subscriber.told = now;
    write(subscriber, `id: ${String(now)}\nevent: ${event}\ndata: ${String(now)}\n\n`);
  };
  const drop = (token: string): void => {
    for (const subscriber of subscribers) {
      if (subscriber.token !== token) continue;
      subscribers.delete(subscriber);
      subscriber.response.end();
    }
  };
  const checkSessions = async (): Promise<void> => {
    for (const token of new Set([...subscribers].map((subscriber) => subscriber.token))) {
      await api.unary(webService, 'GetSelf', { brief: true }, { deadlineMs: answerMs, metadata: quiet(token) }).catch((error: unknown) => {
        if (hasEnded(error)) drop(token);
      });
    }
  };
  const follow = async (signal: AbortSignal): Promise<void> => {
    for (let first = subscribers.values().next().value; first !== undefined && !signal.aborted; first = subscribers.values().next().value) {
      const { token } = first;
      let anew = true;
      try {
        for await (const event of api.stream(webService, 'WatchFleet', {}, { signal, metadata: quiet(token) })) {
          revision = event.revision;
          for (const subscriber of subscribers) tell(subscriber, revision, anew);
          anew = false;
        }
      } catch (error) {
        if (hasEnded(error)) {
          drop(token);
          continue;
        }
        log.warn({ err: error }, 'the coordinator does not tell of changes; it is asked again');
      } finally {
        revision = undefined;
      }
      await waitFor(againMs, signal);
    }
  };
  const start = (): void => {
    const abort = new AbortController();
    upstream = abort;
    const lines = setInterval(() => {
      for (const subscriber of subscribers) write(subscriber, ':\n\n');
    }, beat.lineMs);
    const sessions = setInterval(() => void checkSessions(), beat.sessionMs);
    void follow(abort.signal).finally(() => {
      clearInterval(lines);
      clearInterval(sessions);
      if (upstream !== abort) return;
      upstream = undefined;
      // Somebody came between the last look and now.
      if (subscribers.size > 0 && !abort.signal.aborted) start();
    });
  };

  return {
    subscribe(response, { token, before }) {
      if (subscribers.size >= most.total || [...subscribers].filter((other) => other.token === token).length >= most.perSession) return false;
      const subscriber: Subscriber = { token, response, before, told: undefined };
      subscribers.add(subscriber);
      response.once('close', () => {
        subscribers.delete(subscriber);
        if (subscribers.size > 0) return;
        upstream?.abort();
        upstream = undefined;
      });
      response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8' });
      response.write('retry: 2000\n\n');
      if (revision !== undefined) tell(subscriber, revision, false);
      if (upstream === undefined) start();
      return true;
    },
    drop,
    close() {
      upstream?.abort();
      upstream = undefined;
      for (const { response } of subscribers) response.destroy();
    },
  };
}

function quiet(token: string): Readonly<Record<string, string>> {
  return { 'reeve-session': token, 'reeve-quiet': '1' };
}
