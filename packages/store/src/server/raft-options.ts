/** `[raftstore]` and `[coprocessor]` as the region peers take them. */
import type { RaftStoreOptions } from "../raftstore/options.ts";
import type { ServerConfig } from "./config.ts";

export function raftOptionsOf(config: ServerConfig): Partial<RaftStoreOptions> {
  const raft = (key: string) => config.integer(`raftstore.${key}`);
  const tickMs = raft("raft-base-tick-interval");
  const ticks = (key: string) => Math.max(1, Math.round(raft(key) / tickMs));
  const consistencyMs = raft("consistency-check-interval");
  return {
    tickMs,
    electionTicks: raft("raft-election-timeout-ticks"),
    heartbeatTicks: raft("raft-heartbeat-ticks"),
    appendBytesMax: raft("raft-max-size-per-msg"),
    inflightMax: raft("raft-max-inflight-msgs"),
    entryBytesMax: raft("raft-entry-max-size"),
    leaseMs: raft("raft-store-max-leader-lease"),
    logGcTicks: ticks("raft-log-gc-tick-interval"),
    logGcThreshold: raft("raft-log-gc-threshold"),
    logGcCountMax: raft("raft-log-gc-count-limit"),
    logGcBytesMax: raft("raft-log-gc-size-limit"),
    logReserveRounds: raft("raft-log-reserve-max-ticks"),
    transferLagMax: raft("leader-transfer-max-log-lag"),
    hibernate: config.flag("raftstore.hibernate-regions"),
    regionHeartbeatTicks: ticks("pd-heartbeat-tick-interval"),
    storeHeartbeatTicks: ticks("pd-store-heartbeat-tick-interval"),
    splitCheckTicks: ticks("split-region-check-tick-interval"),
    splitBytes: config.integer("coprocessor.region-split-size"),
    maxBytes: config.integer("coprocessor.region-max-size"),
    splitKeys: config.integer("coprocessor.region-split-keys"),
    maxKeys: config.integer("coprocessor.region-max-keys"),
    splitCheckDiffBytes: raft("region-split-check-diff"),
    batchSplitMax: config.integer("coprocessor.batch-split-limit"),
    mergeCheckTicks: ticks("merge-check-tick-interval"),
    mergeLogGapMax: raft("merge-max-log-gap"),
    snapshotsMax: config.integer("server.concurrent-send-snap-limit"),
    snapshotsReceivedMax: config.integer("server.concurrent-recv-snap-limit"),
    snapshotBytesPerSecond: config.integer("server.snap-io-max-bytes-per-sec"),
    peerDownTicks: ticks("max-peer-down-duration"),
    staleCheckTicks: ticks("peer-stale-state-check-interval"),
    consistencyCheckTicks: consistencyMs === 0 ? 0 : Math.max(1, Math.round(consistencyMs / tickMs)),
  };
}
