/** The options of a store by their dotted keys: what they are, their defaults, and which of the original's have no effect here. */
import { parseDuration } from "@skein/base";

export type Kind = "any" | "text" | "bool" | "integer" | "number" | "size" | "duration" | "list" | "labels" | "level";
export type Value = string | boolean | number | readonly string[] | Readonly<Record<string, string>>;

export interface Key {
  readonly kind: Kind;
  readonly value: Value;
  readonly min?: number;
  readonly max?: number;
  /** What stands in the file is accepted, and changes nothing here. */
  readonly isIdle?: boolean;
}

export const kibibyte = 1024;
export const mebibyte = 1024 * 1024;
const text = (value = ""): Key => ({ kind: "text", value });
const bool = (value: boolean): Key => ({ kind: "bool", value });
const integer = (value: number, min: number, max = Number.MAX_SAFE_INTEGER): Key => ({ kind: "integer", value, min, max });
const size = (value: number, min = 0): Key => ({ kind: "size", value, min });
const duration = (value: string, min = 0): Key => ({ kind: "duration", value: parseDuration(value) ?? 0, min });
const idle = (key: Key): Key => ({ ...key, isIdle: true });
/** Whatever it says. */
const passed: Key = { kind: "any", value: "", isIdle: true };
const passedKeys = (section: string, names: string): Record<string, Key> =>
  Object.fromEntries(names.split(/\s+/).map((name) => [section === "" ? name : `${section}.${name}`, passed]));

/** Sizes in bytes, durations in milliseconds. */
export const keys: Readonly<Record<string, Key>> = {
  "log-level": text(),
  "log-file": text(),
  "log.level": { kind: "level", value: "info" },
  "log.format": text("text"),
  "log.file.filename": text(),
  "log.file.max-size": integer(300, 1),
  "log.file.max-days": idle(integer(0, 0)),
  "log.file.max-backups": idle(integer(0, 0)),
  "server.addr": text("127.0.0.1:20160"),
  "server.advertise-addr": text(),
  "server.status-addr": text("127.0.0.1:20180"),
  "server.advertise-status-addr": text(),
  "server.labels": { kind: "labels", value: {} },
  "server.grpc-concurrency": idle(integer(5, 1)),
  "server.grpc-concurrent-stream": integer(1024, 1, 1_000_000),
  "server.grpc-raft-conn-num": idle(integer(1, 1)),
  "server.grpc-keepalive-time": idle(duration("10s")),
  "server.grpc-keepalive-timeout": idle(duration("3s")),
  "server.grpc-memory-pool-quota": idle(text()),
  "server.max-grpc-send-msg-len": size(64 * mebibyte, mebibyte),
  "server.concurrent-send-snap-limit": integer(32, 1),
  "server.concurrent-recv-snap-limit": integer(32, 1),
  "server.snap-io-max-bytes-per-sec": size(100 * mebibyte, kibibyte),
  "server.connections-max": integer(4096, 1),
  "storage.data-dir": text("./"),
  "storage.api-version": integer(1, 1, 2),
  "storage.enable-ttl": bool(false),
  "storage.ttl-check-poll-interval": duration("12h", 1000),
  "storage.engine": text("raft-kv"),
  "storage.repair-damaged-data": bool(false),
  "storage.check-data-interval": duration("24h"),
  "storage.reserve-space": size(5 * 1024 * mebibyte),
  "storage.scheduler-concurrency": idle(integer(524_288, 1)),
  "storage.scheduler-worker-pool-size": idle(integer(4, 1)),
  "storage.scheduler-pending-write-threshold": idle(size(100 * mebibyte)),
  "storage.block-cache.capacity": size(64 * mebibyte, mebibyte),
  "storage.block-cache.shared": idle(bool(true)),
  "pd.endpoints": { kind: "list", value: ["127.0.0.1:2379"] },
  "pd.retry-interval": duration("300ms", 1),
  "pd.retry-max-count": integer(-1, -1),
  "pd.retry-log-every": idle(integer(10, 1)),
  "raftstore.prevote": idle(bool(true)),
  "raftstore.raft-base-tick-interval": duration("1s", 1),
  "raftstore.raft-heartbeat-ticks": integer(2, 1),
  "raftstore.raft-election-timeout-ticks": integer(10, 2),
  "raftstore.raft-max-size-per-msg": size(mebibyte, kibibyte),
  "raftstore.raft-max-inflight-msgs": integer(256, 1, 16_384),
  "raftstore.raft-entry-max-size": size(8 * mebibyte, kibibyte),
  "raftstore.raft-log-gc-tick-interval": duration("3s", 1),
  "raftstore.raft-log-gc-threshold": integer(50, 1),
  "raftstore.raft-log-gc-count-limit": integer(196_608, 1),
  "raftstore.raft-log-gc-size-limit": size(192 * mebibyte, kibibyte),
  "raftstore.raft-log-reserve-max-ticks": integer(6, 1),
  "raftstore.raft-entry-cache-life-time": idle(duration("30s")),
  "raftstore.raft-store-max-leader-lease": duration("9s"),
  "raftstore.hibernate-regions": bool(true),
  "raftstore.max-peer-down-duration": duration("10m", 1000),
  "raftstore.peer-stale-state-check-interval": duration("5m", 1000),
  "raftstore.max-leader-missing-duration": idle(duration("2h")),
  "raftstore.abnormal-leader-missing-duration": idle(duration("10m")),
  "raftstore.leader-transfer-max-log-lag": integer(128, 1),
  "raftstore.merge-max-log-gap": integer(10, 1),
  "raftstore.merge-check-tick-interval": duration("2s", 1),
  "raftstore.snap-mgr-gc-tick-interval": idle(duration("1m")),
  "raftstore.snap-gc-timeout": idle(duration("4h")),
  "raftstore.pd-heartbeat-tick-interval": duration("60s", 1),
  "raftstore.pd-store-heartbeat-tick-interval": duration("10s", 1),
  "raftstore.split-region-check-tick-interval": duration("10s", 1),
  "raftstore.region-split-check-diff": size(16 * mebibyte, kibibyte),
  "raftstore.consistency-check-interval": duration("0s"),
  "raftstore.report-min-resolved-ts-interval": idle(duration("1s")),
  "raftstore.store-pool-size": idle(integer(2, 1)),
  "raftstore.apply-pool-size": idle(integer(2, 1)),
  "raftstore.store-io-pool-size": idle(integer(1, 0)),
  "raftstore.cmd-batch": idle(bool(true)),
  "raftstore.messages-per-tick": idle(integer(4096, 1)),
  "raftstore.capacity": size(0),
  "raftstore.repair-damaged-log": bool(false),
  "coprocessor.split-region-on-table": idle(bool(false)),
  "coprocessor.batch-split-limit": integer(10, 1),
  "coprocessor.region-split-size": size(256 * mebibyte, kibibyte),
  "coprocessor.region-max-size": size(0),
  "coprocessor.region-split-keys": integer(2_560_000, 1),
  "coprocessor.region-max-keys": integer(0, 0),
  "pessimistic-txn.wait-for-lock-timeout": duration("1s", 1),
  "pessimistic-txn.wake-up-delay-duration": duration("20ms"),
  "pessimistic-txn.pipelined": idle(bool(true)),
  "pessimistic-txn.in-memory": idle(bool(true)),
  "gc.poll-interval": duration("60s", 1000),
  "gc.enable-compaction-filter": idle(bool(true)),
  "gc.ratio-threshold": idle({ kind: "number", value: 1.1 }),
  "security.ca-path": text(),
  "security.cert-path": text(),
  "security.key-path": text(),
  "security.cert-allowed-cn": { kind: "list", value: [] },
  "security.redact-info-log": idle(bool(false)),
  "security.encryption.data-encryption-method": text("plaintext"),
  ...passedKeys(
    "",
    `abort-on-panic panic-when-unexpected-key-or-data enable-io-snoop memory-usage-limit memory-usage-high-water slow-log-file
    slow-log-threshold log-format log-rotation-timespan log-rotation-size`,
  ),
  ...passedKeys("log", "enable-timestamp"),
  ...passedKeys(
    "server",
    `grpc-compression-type grpc-gzip-compression-level grpc-min-message-size-to-compress grpc-stream-initial-window-size
    status-thread-pool-size background-thread-count stats-concurrency heavy-load-threshold heavy-load-wait-duration max-recursion-limit
    end-point-recursion-limit end-point-request-max-handle-duration end-point-stream-channel-size end-point-batch-row-limit
    end-point-stream-batch-row-limit end-point-enable-batch-if-possible end-point-slow-log-threshold end-point-max-concurrency
    end-point-perf-level end-point-memory-quota snap-max-total-size snap-min-ingest-size enable-request-batch raft-msg-max-batch-size
    raft-client-queue-size raft-client-grpc-send-msg-buffer raft-client-max-backoff raft-client-initial-reconnect-backoff
    raft-msg-flush-interval forward-max-connections-per-address simplify-metrics inspect-network-interval`,
  ),
  ...passedKeys(
    "storage",
    `enable-async-apply-prewrite txn-status-cache-capacity background-error-recovery-window memory-quota
    reserve-raft-space max-key-size gc-ratio-threshold flow-control.enable flow-control.soft-pending-compaction-bytes-limit
    flow-control.hard-pending-compaction-bytes-limit flow-control.memtables-threshold flow-control.l0-files-threshold
    io-rate-limit.max-bytes-per-sec io-rate-limit.mode io-rate-limit.strict block-cache.num-shard-bits
    block-cache.strict-capacity-limit block-cache.high-pri-pool-ratio block-cache.low-pri-pool-ratio block-cache.memory-allocator`,
  ),
  ...passedKeys("pd", "update-interval"),
  ...passedKeys(
    "raftstore",
    `raftdb-path raft-min-election-timeout-ticks raft-max-election-timeout-ticks raft-engine-purge-interval raft-entry-cache-evict
    max-manual-flush-rate raft-reject-transfer-leader-duration region-compact-check-interval region-compact-check-step
    region-compact-min-tombstones region-compact-tombstones-percent region-compact-min-redundant-rows
    region-compact-redundant-rows-percent pd-report-min-resolved-ts-interval leader-transfer-max-log-gap lock-cf-compact-interval
    lock-cf-compact-bytes-threshold notify-capacity max-snapshot-file-raw-size allow-remove-leader clean-stale-peer-delay
    use-delete-range apply-max-batch-size apply-batch-size store-max-batch-size store-batch-size store-reschedule-duration
    apply-reschedule-duration apply-low-priority-pool-size store-low-priority-pool-size snap-generator-pool-size
    snap-apply-batch-size snap-apply-copy-symlink snap-wait-split-duration future-poll-size store-io-notify-capacity
    raft-write-size-limit raft-write-batch-size-hint raft-write-wait-duration io-reschedule-concurrent-max-count
    io-reschedule-hotpot-duration inspect-interval inspect-cpu-util-thd inspect-kvdb-interval slow-trend-unsensitive-cause
    slow-trend-unsensitive-result slow-trend-network-io-factor waterfall-metrics perf-level evict-cache-on-memory-ratio
    cmd-batch-concurrent-ready-max-count check-leader-lease-interval renew-leader-lease-advance-duration reactive-memory-lock-tick-interval
    reactive-memory-lock-timeout-tick report-region-buckets-tick-interval check-long-uncommitted-interval
    long-uncommitted-base-threshold max-entry-cache-warmup-duration request-voter-replicated-index-interval
    check-peers-availability-interval check-request-snapshot-interval check-then-compact-force-bottommost-level
    check-then-compact-top-n unreachable-backoff merge-max-log-gap-size unsafe-disable-check-quorum local-read-batch-size
    dev-assert region-max-size region-split-size raft-msg-flush-interval max-apply-unpersisted-log-limit min-pending-apply-region-count
    skip-manual-compaction-in-clean-up-worker`,
  ),
  ...passedKeys(
    "coprocessor",
    `consistency-check-method enable-region-bucket region-bucket-size region-size-threshold-for-approximate
    prefer-approximate-bucket region-bucket-merge-size-ratio perf-level`,
  ),
  ...passedKeys("pessimistic-txn", "in-memory-peer-size-limit in-memory-instance-size-limit"),
  ...passedKeys("gc", "batch-keys max-write-bytes-per-sec compaction-filter-skip-version-check num-threads auto-compaction"),
  ...passedKeys(
    "security",
    `override-ssl-target encryption.data-key-rotation-period encryption.enable-file-dictionary-log
    encryption.file-dictionary-rewrite-threshold encryption.master-key encryption.previous-master-key`,
  ),
};

/** Sections of other engines and pools. */
export const idleSections: ReadonlySet<string> = new Set([
  "rocksdb",
  "raftdb",
  "raft-engine",
  "readpool",
  "import",
  "backup",
  "log-backup",
  "cdc",
  "resolved-ts",
  "resource-metering",
  "resource-control",
  "causal-ts",
  "backup-stream",
  "split",
  "quota",
  "memory",
  "metric",
  "range-cache-engine",
  "in-memory-engine",
  "coprocessor-v2",
  "backup-encryption",
]);
