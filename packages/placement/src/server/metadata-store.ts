import type { TlsFiles, World } from "@skein/base";
import { type MemberStore, openMemberStore } from "@skein/metastore";
import { pdErrors } from "../errors.ts";
import type { PdConfig } from "./config/process-config.ts";

/** Of a transaction. */
const operationsMax = 1024;

/** This member's metadata, as its configuration says. Rejects with `joinFailed`, `startEtcd`, and what a file can be refused with. */
export function openMetadata(world: World, config: PdConfig, tls: TlsFiles | undefined): Promise<MemberStore> {
  return openMemberStore(world, {
    ...config,
    operationsMax,
    requestBytesMax: config.maxRequestBytes,
    tls: tls === undefined || config.tls === null ? null : { files: tls, ...config.tls },
    allowedCommonNames: config.tls?.certAllowedCn ?? [],
    flags: {
      "initial-cluster-token": config.initialClusterToken,
      "heartbeat-interval": String(config.tickIntervalMs),
      "election-timeout": String(config.electionIntervalMs),
      "pre-vote": "true",
      "auto-compaction-mode": config.autoCompactionMode,
      "auto-compaction-retention": config.autoCompactionRetention,
      "quota-backend-bytes": String(config.quotaBackendBytes),
      ...(config.forceNewCluster ? { "force-new-cluster": "true" } : {}),
    },
    errors: {
      startFailed: (cause) => pdErrors.startEtcd([], cause),
      joinFailed: (problem, cause) => pdErrors.joinFailed([problem], cause),
      takenText: `there is a member ${config.name} already, and its data is not here`,
      unfinishedText: "there is a member that has not joined successfully",
    },
  });
}
