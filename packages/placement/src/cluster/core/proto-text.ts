/** Stores and regions in protobuf's text form, as error messages of the field show them: `id:5 address:"127.0.0.1:20160" `. */
import type { Label, RegionMeta, StoreMeta } from "../../core/model.ts";

const quoted = (text: string): string => JSON.stringify(text);

function field(name: string, value: string | number, shown: string): string {
  return value === "" || value === 0 ? "" : `${name}:${shown} `;
}

const text = (name: string, value: string) => field(name, value, quoted(value));
const number = (name: string, value: number) => field(name, value, String(value));

function label({ key, value }: Label): string {
  return `labels:<${text("key", key)}${text("value", value)}> `;
}

const nodeStates = { preparing: "", serving: "Serving", removing: "Removing", removed: "Removed" } as const;
const storeStates = { up: "", offline: "Offline", tombstone: "Tombstone" } as const;

export function storeText(store: StoreMeta): string {
  return [
    number("id", store.id),
    text("address", store.address),
    field("state", storeStates[store.state], storeStates[store.state]),
    store.labels.map(label).join(""),
    text("version", store.version),
    text("peer_address", store.peerAddress),
    text("status_address", store.statusAddress),
    text("git_hash", store.gitHash),
    number("start_timestamp", store.startTimestampS),
    text("deploy_path", store.deployPath),
    store.lastHeartbeatMs === 0 ? "" : `last_heartbeat:${BigInt(Math.round(store.lastHeartbeatMs)) * 1_000_000n} `,
    store.isPhysicallyDestroyed ? "physically_destroyed:true " : "",
    field("node_state", nodeStates[store.nodeState], nodeStates[store.nodeState]),
  ].join("");
}

const roles = { voter: "", learner: "Learner", incomingVoter: "IncomingVoter", demotingVoter: "DemotingVoter" } as const;

export function regionText(region: RegionMeta): string {
  const epoch = `${number("conf_ver", region.epoch.confVer)}${number("version", region.epoch.version)}`;
  return [
    number("id", region.id),
    region.startKey.length === 0 ? "" : `start_key:${bytesText(region.startKey)} `,
    region.endKey.length === 0 ? "" : `end_key:${bytesText(region.endKey)} `,
    `region_epoch:<${epoch}> `,
    ...region.peers.map(
      (peer) =>
        `peers:<${number("id", peer.id)}${number("store_id", peer.storeId)}${field("role", roles[peer.role], roles[peer.role])}${peer.isWitness ? "is_witness:true " : ""}> `,
    ),
  ].join("");
}

/** Printable bytes as they are, others as `\ooo`. */
function bytesText(bytes: Uint8Array): string {
  let shown = '"';
  for (const byte of bytes) {
    if (byte === 0x22 || byte === 0x5c) shown += `\\${String.fromCharCode(byte)}`;
    else if (byte === 0x0a) shown += "\\n";
    else if (byte === 0x0d) shown += "\\r";
    else if (byte === 0x09) shown += "\\t";
    else if (byte >= 0x20 && byte < 0x7f) shown += String.fromCharCode(byte);
    else shown += `\\${byte.toString(8).padStart(3, "0")}`;
  }
  return `${shown}"`;
}
