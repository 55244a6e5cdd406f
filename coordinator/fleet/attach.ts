import { createMux, type Mux } from '../../shared/rpc/mux.js';

/** One agent that has dialled in. */
export interface Attached {
  readonly mux: Mux;
  /** `address:port` that it came from. */
  readonly peer: string;
  /** Unix ms. */
  readonly sinceMs: number;
}

/** Why an attachment ended, where the agent is to be told more than that it did. */
export const replacedReason = 'replaced';

/** An agent dialled in while another connection of the same host was there. Once is an agent that came back; again and again is two of one identity. */
export interface Replaced {
  readonly hostId: string;
  readonly older: Pick<Attached, 'peer' | 'sinceMs'>;
  readonly newer: Pick<Attached, 'peer' | 'sinceMs'>;
}

/** The agents that have dialled in; one each of a host. */
export interface Attachments {
  /** A host's agent dialled in: it takes the place of an older one. `onClosed` hears once why it ended. */
  attach(hostId: string, from: { peer: string; now: number }, onClosed: (reason: string) => void): Attached;
  get(hostId: string): Attached | undefined;
  /** Ends a host's attachment, if there is one. */
  end(hostId: string, reason: string): void;
  close(): void;
}

/** No attachments yet. `onAttached` is told of every one, `onReplaced` of those that took the place of another. */
export function createAttachments(on: { attached: (hostId: string) => void; replaced: (replaced: Replaced) => void }): Attachments {
  const byHost = new Map<string, Attached>();
  const end = (hostId: string, reason: string): void => {
    const attached = byHost.get(hostId);
    byHost.delete(hostId);
    attached?.mux.close(reason);
  };
  return {
    attach(hostId, { peer, now }, onClosed) {
      const mux = createMux({
        onClosed: (reason) => {
          if (byHost.get(hostId)?.mux === mux) byHost.delete(hostId);
          onClosed(reason);
        },
      });
      const newer: Attached = { mux, peer, sinceMs: now };
      const older = byHost.get(hostId);
      if (older !== undefined) {
        end(hostId, replacedReason);
        on.replaced({ hostId, older: { peer: older.peer, sinceMs: older.sinceMs }, newer: { peer, sinceMs: now } });
      }
      byHost.set(hostId, newer);
      on.attached(hostId);
      return newer;
    },
    get: (hostId) => byHost.get(hostId),
    end,
    close() {
      for (const hostId of [...byHost.keys()]) end(hostId, 'the coordinator is stopping');
    },
  };
}
