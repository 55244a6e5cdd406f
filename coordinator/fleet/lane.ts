import type { Channel } from '../../shared/rpc/client.js';

/** Most streams on one channel: agents let the coordinator have 64 on a connection (R101). */
const perChannel = 48;

/** Channels of their own for long streams over one host's link, so that they never crowd out its calls. Close it. */
export interface Lanes {
  /** A channel with room for one more stream; give it back when the stream has ended. Errors: of opening one. */
  take(): Promise<{ readonly channel: Channel; release(): void }>;
  close(): void;
}

/** No lanes yet; they are opened when they are needed. */
export function createLanes(open: () => Promise<Channel>): Lanes {
  const lanes: { readonly channel: Promise<Channel>; streams: number }[] = [];
  let closed = false;
  const shut = (channel: Promise<Channel>): void => void channel.then((opened) => opened.close(), () => undefined);
  return {
    async take() {
      let lane = lanes.find((known) => known.streams < perChannel);
      if (lane === undefined) {
        lane = { channel: open(), streams: 0 };
        lanes.push(lane);
      }
      const mine = lane;
      mine.streams += 1;
      const release = (): void => {
        mine.streams -= 1;
        if (mine.streams > 0) return;
        lanes.splice(lanes.indexOf(mine), 1);
        shut(mine.channel);
      };
      try {
        const channel = await mine.channel;
        if (closed) channel.close();
        return { channel, release };
      } catch (error) {
        release();
        throw error;
      }
    },
    close() {
      closed = true;
      for (const lane of lanes) shut(lane.channel);
    },
  };
}
