/** The stream of timestamps: each request is answered with the last timestamp of its batch, in the order of the requests. */
import { type Input, RpcError, type StreamCall, type StreamListener } from "@skein/rpc";
import { pdErrors } from "../errors.ts";
import type { TsoRequest, TsoResponse } from "../wire/pdpb.ts";
import type { Pd } from "./pd.ts";

/** Batches over this take more than one of a millisecond's counters could give. */
const countMax = 2 ** 17;
const waitsMax = 10;

export function startTsoStream(pd: Pd, call: StreamCall<TsoResponse>): StreamListener<TsoRequest> {
  const header = { cluster_id: pd.clusterId };
  /** Requests that wait for the next move of the oracle; those that come after them wait behind. */
  const queue: number[] = [];
  let waits = 0;
  const answer = (count: number): boolean => {
    const time = pd.tso.take(count);
    if (time === null) return false;
    call.send({ header, count, timestamp: time } satisfies Input<TsoResponse>);
    return true;
  };
  const onMove = () => {
    try {
      while (queue.length > 0) {
        if (!answer(queue[0] as number)) {
          if (++waits > waitsMax) throw pdErrors.tsoTimeout([]);
          return wait();
        }
        queue.shift();
        waits = 0;
      }
    } catch (error) {
      call.fail(statusOf(error));
    }
  };
  const wait = () => {
    if (!pd.tso.wait(onMove)) throw new RpcError("resource_exhausted", "too many requests wait for timestamps");
  };
  return {
    message: (request) => {
      try {
        if (!pd.isLeader) throw pdErrors.notLeader([]);
        const got = request.header?.cluster_id ?? 0n;
        if (got !== pd.clusterId) throw new RpcError("failed_precondition", pdErrors.mismatchedCluster.message(pd.clusterId, got));
        const { count } = request;
        if (count === 0) throw pdErrors.tsoCount([]);
        if (count > countMax) throw new RpcError("invalid_argument", `tso count ${count} is over the limit of ${countMax}`);
        if (queue.length === 0 && answer(count)) return;
        queue.push(count);
        if (queue.length === 1) wait();
      } catch (error) {
        throw statusOf(error);
      }
    },
  };
}

function statusOf(error: unknown): unknown {
  if (pdErrors.notLeader.is(error)) return new RpcError("unavailable", "not leader", error);
  if (pdErrors.tsoCount.is(error) || pdErrors.tsoTimeout.is(error)) return new RpcError("unknown", error.detail, error);
  return error;
}
