/** The stream on which leaders of regions report, and the placement driver answers with what to do; opened again when it breaks. */
import type { World } from "@skein/base";
import { type ClientStream, type Input, type RpcClient } from "@skein/rpc";
import { pdpb } from "../wire/index.ts";
import type { Connections } from "./connections.ts";

export interface RegionHeartbeatListener {
  /** At most one action: see `pdpb.RegionHeartbeatResponse`. */
  answer(response: pdpb.RegionHeartbeatResponse): void;
  /** The stream stands, perhaps to another placement driver: it knows nothing of what was sent on the one before. */
  connected?(): void;
  /** What was sent is on its way: after `send` gave false, more is taken now. */
  room?(): void;
}

export interface RegionHeartbeatStream extends Disposable {
  /** The header is put in. False when it was not taken: there is no stream just now, or too much is on its way. */
  send(heartbeat: Omit<Input<pdpb.RegionHeartbeatRequest>, "header">): boolean;
  readonly isConnected: boolean;
  close(): void;
}

const firstBackoffMs = 50;
const longestBackoffMs = 2000;

export function openRegionHeartbeats(world: World, connections: Connections, listener: RegionHeartbeatListener): RegionHeartbeatStream {
  let stream: ClientStream<pdpb.RegionHeartbeatRequest> | null = null;
  let isFull = false;
  let isClosed = false;
  let backoffMs = firstBackoffMs;

  const start = (client: RpcClient) => {
    const opened: ClientStream<pdpb.RegionHeartbeatRequest> = client.open(pdpb.pd.methods.RegionHeartbeat, {
      message: (response) => {
        backoffMs = firstBackoffMs;
        if (stream === opened && (response.header?.error?.type ?? "OK") === "OK") listener.answer(response);
        else if (stream === opened) opened.cancel();
      },
      drained: () => {
        if (stream !== opened) return;
        isFull = false;
        listener.room?.();
      },
      over: () => {
        connections.lost(client);
        if (stream === opened) stream = null;
        again();
      },
    });
    stream = opened;
    isFull = false;
    listener.connected?.();
  };
  const connect = async () => {
    try {
      const client = await connections.find();
      if (!isClosed) start(client);
    } catch {
      // Nobody leads just now. Whoever leads next is told everything anew.
      again();
    }
  };
  const again = () => {
    if (isClosed || connections.closing.aborted) return;
    const waitMs = backoffMs;
    backoffMs = Math.min(backoffMs * 2, longestBackoffMs);
    world.clock.timer(waitMs * (0.5 + world.random.float() / 2), () => {
      if (!isClosed && !connections.closing.aborted) void connect();
    });
  };
  void connect();

  const close = () => {
    isClosed = true;
    stream?.cancel();
    stream = null;
  };
  return {
    get isConnected() {
      return stream !== null;
    },
    send: (heartbeat) => {
      if (stream === null || isFull) return false;
      isFull = !stream.send({ ...heartbeat, header: { cluster_id: connections.clusterId ?? 0n } });
      return true;
    },
    close,
    [Symbol.dispose]: close,
  };
}
