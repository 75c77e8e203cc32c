/** Knobs of the region peers, with the defaults of `[raftstore]` and `[coprocessor]`. */

export interface RaftStoreOptions {
  /** `raft-base-tick-interval`. */
  readonly tickMs: number;
  readonly electionTicks: number;
  readonly heartbeatTicks: number;
  /** `raft-max-size-per-msg`. */
  readonly appendBytesMax: number;
  readonly inflightMax: number;
  readonly uncommittedBytesMax: number;
  /** `raft-entry-max-size`. */
  readonly entryBytesMax: number;
  /** Writes of one turn share an entry up to so many bytes. */
  readonly entryShareBytes: number;
  /** Bytes of writes that wait in one region before more are refused as busy. */
  readonly queuedBytesMax: number;
  /** `raft-store-max-leader-lease`; a third of it is left to the drift of clocks. 0: no leases. */
  readonly leaseMs: number;
  readonly logGcTicks: number;
  /** `raft-log-gc-threshold`: entries. */
  readonly logGcThreshold: number;
  readonly logGcCountMax: number;
  /** `raft-log-gc-size-limit`: of one region's entries; a log over it is cut although a peer is behind. */
  readonly logGcBytesMax: number;
  /** `raft-log-reserve-max-ticks`: log GC rounds after which a log that is short of the threshold is compacted, too. */
  readonly logReserveRounds: number;
  /** `leader-transfer-max-log-lag`. */
  readonly transferLagMax: number;
  readonly hibernate: boolean;
  /** A leader with nothing to do goes to sleep after so many ticks. */
  readonly hibernateTicks: number;
  readonly regionHeartbeatTicks: number;
  readonly storeHeartbeatTicks: number;
  readonly splitCheckTicks: number;
  readonly splitBytes: number;
  readonly maxBytes: number;
  /** `region-split-keys`, `region-max-keys`: versions count one by one. */
  readonly splitKeys: number;
  readonly maxKeys: number;
  readonly splitCheckDiffBytes: number;
  readonly batchSplitMax: number;
  readonly mergeCheckTicks: number;
  readonly mergeLogGapMax: number;
  /** That are sent at once (`concurrent-send-snap-limit`); and that are received (`concurrent-recv-snap-limit`). */
  readonly snapshotsMax: number;
  readonly snapshotsReceivedMax: number;
  /** Of all that are sent and received together (`snap-io-max-bytes-per-sec`). */
  readonly snapshotBytesPerSecond: number;
  readonly snapshotChunkBytes: number;
  /** `max-peer-down-duration`, in ticks. */
  readonly peerDownTicks: number;
  /** A peer without a leader for so long asks the placement driver whether it is still a member (`peer-stale-state-check-interval`). */
  readonly staleCheckTicks: number;
  /** Ticks between checks that replicas are equal; 0: only on request. */
  readonly consistencyCheckTicks: number;
}

const mebibyte = 1024 * 1024;

export const defaultRaftStoreOptions: RaftStoreOptions = {
  tickMs: 1_000,
  electionTicks: 10,
  heartbeatTicks: 2,
  appendBytesMax: mebibyte,
  inflightMax: 256,
  uncommittedBytesMax: 64 * mebibyte,
  entryBytesMax: 8 * mebibyte,
  entryShareBytes: 256 * 1024,
  queuedBytesMax: 64 * mebibyte,
  leaseMs: 9_000,
  logGcTicks: 3,
  logGcThreshold: 50,
  logGcCountMax: 196_608,
  logGcBytesMax: 192 * mebibyte,
  logReserveRounds: 6,
  transferLagMax: 128,
  hibernate: true,
  hibernateTicks: 20,
  regionHeartbeatTicks: 60,
  storeHeartbeatTicks: 10,
  splitCheckTicks: 10,
  splitBytes: 256 * mebibyte,
  maxBytes: 384 * mebibyte,
  splitKeys: 2_560_000,
  maxKeys: 3_840_000,
  splitCheckDiffBytes: 16 * mebibyte,
  batchSplitMax: 10,
  mergeCheckTicks: 2,
  mergeLogGapMax: 10,
  snapshotsMax: 8,
  snapshotsReceivedMax: 8,
  snapshotBytesPerSecond: 100 * mebibyte,
  snapshotChunkBytes: 256 * 1024,
  peerDownTicks: 600,
  staleCheckTicks: 300,
  consistencyCheckTicks: 0,
};
