/**
 * Requests to regions: finds the leader's store, and deals with what a region may answer besides.
 *
 *   send(region, …) ─┬─ answer
 *                    ├─ `moved`: the keys belong to other regions now; the caller groups them anew
 *                    └─ throws: patience ended, or it cannot be repeated
 */
import { type Input, isRpcError, type RpcError, type UnaryMethod } from "@skein/rpc";
import type { errorpb, kvrpcpb, tikvpb } from "@skein/store/wire";
import type { CachedRegion, Replica } from "../core/region-index.ts";
import { kvErrors } from "../errors.ts";
import type { Patience } from "../patience.ts";
import type { RegionCache } from "./region-cache.ts";
import type { CommandKind, StoreConnection } from "./store-connection.ts";

export const moved: unique symbol = Symbol("moved");
export type Moved = typeof moved;

export interface SendOptions {
  /** Of one try. Default 6000: longer than an election takes, so that a store that hangs is left in time. */
  readonly timeoutMs?: number;
  readonly context?: Input<kvrpcpb.Context>;
  /** Asks the replicas in turn; when one does not answer, the leader. For reads of transactions. */
  readonly byReplica?: boolean;
  /** Called when it is not known whether the store did what was asked. */
  readonly onUnknown?: (error: unknown) => void;
}

interface WithRegionError {
  readonly region_error: errorpb.Error | null;
}

const requestMs = 6000;
const hintsMax = 5;

export class RegionRequests {
  readonly regions: RegionCache;
  private lastReplica = 0;

  constructor(regions: RegionCache) {
    this.regions = regions;
  }

  command<K extends CommandKind>(
    region: CachedRegion,
    kind: K,
    request: Omit<Input<tikvpb.BatchRequests[K]>, "context">,
    patience: Patience,
    options: SendOptions = {},
  ): Promise<tikvpb.BatchResponses[K] | Moved> {
    const timeoutMs = options.timeoutMs ?? requestMs;
    return this.repeat(region, patience, options, (connection, context) => {
      // The fields of a request are those of its kind: what TypeScript cannot follow through the index.
      const value = { ...request, context } as unknown as Input<tikvpb.BatchRequests[K]>;
      return connection.command(kind, value, timeoutMs) as Promise<tikvpb.BatchResponses[K] & WithRegionError>;
    });
  }

  call<Q extends { readonly context: kvrpcpb.Context | null }, A extends WithRegionError>(
    region: CachedRegion,
    method: UnaryMethod<Q, A>,
    request: Omit<Input<Q>, "context">,
    patience: Patience,
    options: SendOptions = {},
  ): Promise<A | Moved> {
    const deadlineMs = options.timeoutMs ?? requestMs;
    return this.repeat(region, patience, options, (connection, context) =>
      connection.call(method, { ...request, context } as unknown as Input<Q>, { deadlineMs }),
    );
  }

  private async repeat<A extends WithRegionError>(
    region: CachedRegion,
    patience: Patience,
    options: SendOptions,
    run: (connection: StoreConnection, context: Input<kvrpcpb.Context>) => Promise<A>,
  ): Promise<A | Moved> {
    let byReplica = options.byReplica === true;
    for (let tried = 1; ; tried++) {
      if (!region.isValid) return moved;
      const replica = region.replicas[byReplica ? ++this.lastReplica % region.replicas.length : region.leader] as Replica;
      let answer: A;
      let isSent = false;
      patience.mustGoOn();
      try {
        const connection = await this.regions.connection(replica.storeId);
        patience.mustGoOn();
        const context: Input<kvrpcpb.Context> = {
          region_id: region.id,
          region_epoch: { conf_ver: region.confVer, version: region.version },
          peer: { id: replica.id, store_id: replica.storeId },
          max_execution_duration_ms: options.timeoutMs ?? requestMs,
          ...(byReplica ? { replica_read: true } : {}),
          ...options.context,
        };
        isSent = true;
        answer = await patience.race(run(connection, context));
      } catch (error) {
        if (patience.isOver) {
          if (isSent) options.onUnknown?.(error);
          patience.mustGoOn();
        }
        if (!isRpcError(error) && !kvErrors.refused.is(error)) throw error;
        if (isRpcError(error, "invalid_argument") || isRpcError(error, "unimplemented")) throw error;
        if (byReplica) {
          byReplica = false;
          this.regions.forgetStore(replica.storeId);
          continue;
        }
        if (isRpcError(error) && mayHaveArrived(error)) options.onUnknown?.(error);
        this.regions.forgetStore(replica.storeId);
        // The store does not answer: perhaps another leads by now. When all were asked, the placement driver may know better.
        if (tried % Math.max(region.replicas.length, 1) === 0) this.regions.forget(region);
        else region.leader = (region.leader + 1) % region.replicas.length;
        await patience.wait("store", error);
        continue;
      }
      const refusal = answer.region_error;
      if (refusal === null) return answer;
      if (byReplica && refusal.epoch_not_match === null) {
        byReplica = false;
        continue;
      }
      if (refusal.is_undetermined) options.onUnknown?.(kvErrors.refused([`a request to region ${region.id}`, refusal.message]));
      if ((await this.deal(region, replica, refusal, tried, patience)) === "moved") return moved;
    }
  }

  /** Makes of a refusal what is to be done: try the same region again, or find the keys anew. */
  private async deal(
    region: CachedRegion,
    replica: Replica,
    refusal: errorpb.Error,
    tried: number,
    patience: Patience,
  ): Promise<"again" | "moved"> {
    const cause = kvErrors.refused([`a request to region ${region.id}`, refusal.message]);
    if (refusal.not_leader !== null) {
      const { leader } = refusal.not_leader;
      const at = leader === null ? -1 : region.replicas.findIndex(({ storeId }) => storeId === leader.store_id);
      if (at >= 0 && at !== region.leader) {
        region.leader = at;
        // Two stores that name each other are left alone for a while.
        if (tried % hintsMax === 0) await patience.wait("region", cause);
        return "again";
      }
      if (leader !== null && at < 0) this.regions.forget(region);
      else region.leader = (region.leader + 1) % region.replicas.length;
      await patience.wait("region", cause);
      return region.isValid ? "again" : "moved";
    }
    if (refusal.epoch_not_match !== null) {
      const { current_regions } = refusal.epoch_not_match;
      this.regions.forget(region);
      const isBehind = current_regions.some(
        ({ id, region_epoch }) =>
          id === region.id && ((region_epoch?.version ?? 0) < region.version || (region_epoch?.conf_ver ?? 0) < region.confVer),
      );
      // A store that has not caught up: what the placement driver said was right.
      if (isBehind || current_regions.length === 0) await patience.wait("region", cause);
      else {
        this.regions.learn(current_regions, replica.storeId);
        await patience.again(cause);
      }
      return "moved";
    }
    if (refusal.server_is_busy !== null) {
      await patience.wait("busy", cause, refusal.server_is_busy.backoff_ms);
      return "again";
    }
    if (refusal.store_not_match !== null) {
      this.regions.forgetStore(replica.storeId);
      this.regions.forget(region);
      await patience.wait("region", cause);
      return "moved";
    }
    if (refusal.raft_entry_too_large !== null)
      throw kvErrors.tooLarge(["a request", refusal.raft_entry_too_large.entry_size, 8 * 1024 * 1024], cause);
    if (refusal.disk_full !== null) {
      // Its leaders go to stores that have room.
      await patience.wait("busy", cause);
      return "again";
    }
    const isHereStill =
      refusal.stale_command !== null ||
      refusal.max_timestamp_not_synced !== null ||
      refusal.read_index_not_ready !== null ||
      refusal.proposal_in_merging_mode !== null ||
      refusal.region_not_initialized !== null ||
      refusal.data_is_not_ready !== null ||
      refusal.RecoveryInProgress !== null;
    if (!isHereStill) this.regions.forget(region);
    await patience.wait("region", cause);
    return isHereStill ? "again" : "moved";
  }
}

/** A connection that was never made has carried nothing. */
function mayHaveArrived(error: RpcError): boolean {
  return !(error.status === "unavailable" && /no connection established|ECONNREFUSED|name resolution/i.test(error.text));
}
