/** Where this member's metadata lies: alone in a file, with others in an etcd that it runs. */
import { causeText, type TlsFiles, type World } from "@skein/base";
import {
  type ClusterMember,
  type EtcdCluster,
  type EtcdMember,
  initialClusterOf,
  type Metastore,
  openEtcdCluster,
  openMetastore,
  startEtcdMember,
} from "@skein/metastore";
import type { ServiceRegistration } from "@skein/rpc";
import { pdErrors } from "../errors.ts";
import type { PdConfig } from "./config/process-config.ts";

export interface StoreParts {
  readonly store: Metastore;
  /** Null when this member is alone. */
  readonly cluster: EtcdCluster | null;
  readonly member: EtcdMember | null;
}

/** A second apart. */
const joinTriesMax = 20;
const operationsMax = 1024;

/** Alone: a file. With others, or once it has been with others: a supervised etcd. */
export async function openStoreParts(world: World, config: PdConfig, tls: TlsFiles | undefined): Promise<StoreParts> {
  const { dataDir } = config;
  await world.disk.makeFolder(dataDir, { mode: 0o700 });
  const names = config.initialCluster.split(",").filter((entry) => entry !== "");
  const hasData = (await world.disk.stat(`${dataDir}/member/wal`)) !== null;
  const joinText = await readText(world, `${dataDir}/join`);
  if (names.length <= 1 && config.join.length === 0 && !hasData && joinText === null) {
    const store = await openMetastore(world, {
      kind: "embedded",
      path: `${dataDir}/metastore.sqlite`,
      operationsMax,
      requestBytesMax: config.maxRequestBytes,
    });
    return { store, cluster: null, member: null };
  }
  let { initialCluster, initialClusterState: state } = config;
  if (hasData) state = "existing";
  else if (joinText !== null) {
    initialCluster = joinText;
    state = "existing";
  } else if (config.join.length > 0) {
    initialCluster = await joinCluster(world, config, tls);
    state = "existing";
    await world.disk.writeFileAtomic(`${dataDir}/join`, initialCluster);
  }
  const clientPort = await freePort(world);
  // It listens on loopback, and its certificate is this member's: for the address that others use.
  const serverName = new URL(config.advertiseClientUrls[0] ?? "http://127.0.0.1:2379").hostname;
  const member = await startEtcdMember(world, {
    name: config.name,
    dataDir,
    peerUrls: config.peerUrls,
    advertisePeerUrls: config.advertisePeerUrls,
    clientUrls: [`${tls === undefined ? "http" : "https"}://127.0.0.1:${clientPort}`],
    // What others see is this member's own port, which serves etcd's protocol too.
    advertiseClientUrls: config.advertiseClientUrls,
    initialCluster,
    initialClusterState: state,
    ...(config.tls === null ? {} : { tls: { ca: config.tls.ca, cert: config.tls.cert, key: config.tls.key, serverName } }),
    flags: {
      ...(config.tls?.certAllowedCn[0] === undefined ? {} : { "peer-cert-allowed-cn": config.tls.certAllowedCn[0] }),
      "initial-cluster-token": config.initialClusterToken,
      "heartbeat-interval": String(config.tickIntervalMs),
      "election-timeout": String(config.electionIntervalMs),
      "pre-vote": "true",
      "max-txn-ops": String(operationsMax),
      "max-request-bytes": String(config.maxRequestBytes),
      "auto-compaction-mode": config.autoCompactionMode,
      "auto-compaction-retention": config.autoCompactionRetention,
      "quota-backend-bytes": String(config.quotaBackendBytes),
      ...(config.forceNewCluster ? { "force-new-cluster": "true" } : {}),
    },
  });
  const memberTls = tls === undefined ? {} : { tls: { ...tls, serverName } };
  try {
    await member.waitHealthy({ timeoutMs: 120_000 });
    const endpoints = member.endpoints;
    return {
      store: await openMetastore(world, { kind: "etcd", endpoints, operationsMax, requestBytesMax: config.maxRequestBytes, ...memberTls }),
      cluster: openEtcdCluster(world, { endpoints, ...memberTls }),
      member,
    };
  } catch (error) {
    await member.stop();
    throw pdErrors.startEtcd([], error);
  }
}

/** Adds this member to a running cluster; the new `initial-cluster`. */
async function joinCluster(world: World, config: PdConfig, tls: TlsFiles | undefined): Promise<string> {
  using cluster = openEtcdCluster(world, { endpoints: config.join, ...(tls === undefined ? {} : { tls }) });
  const peerUrls = config.advertisePeerUrls;
  for (let tries = 1; ; tries++) {
    try {
      const members = await cluster.members();
      if (members.some((member) => member.name === config.name))
        throw pdErrors.joinFailed([`there is a member ${config.name} already, and its data is not here`]);
      if (members.some((member) => member.name === "" && !member.peerUrls.some((url) => peerUrls.includes(url))))
        throw pdErrors.joinFailed(["there is a member that has not joined successfully"]);
      // The answer to an earlier try may have been lost on its way.
      const before = members.find((member) => member.name === "");
      if (before !== undefined) return initialClusterOf(members, { id: before.id, name: config.name });
      const { added, members: all } = await cluster.addMember(peerUrls);
      return initialClusterOf(all, { id: added.id, name: config.name });
    } catch (error) {
      if (pdErrors.joinFailed.is(error)) throw error;
      // Members that have just started refuse until they have been connected for some seconds. A member that began alone keeps its
      // metadata in a file: it has no cluster to join, and refuses always.
      if (tries >= joinTriesMax || /unimplemented/i.test(causeText(error))) throw pdErrors.joinFailed([causeText(error)], error);
      await world.clock.sleep(1000);
    }
  }
}

async function readText(world: World, path: string): Promise<string | null> {
  if ((await world.disk.stat(path)) === null) return null;
  return new TextDecoder().decode(await world.disk.readFile(path, { limitBytes: 64 * 1024 })).trim();
}

/** A loopback port for etcd's own clients: this process. */
async function freePort(world: World): Promise<number> {
  const listener = await world.network.listen({ host: "127.0.0.1", port: 0 }, (connection) => connection.destroy());
  const { port } = listener;
  await listener.close();
  return port;
}

/** The registrations of `etcdServices`, with the member calls answered by the real cluster where there is one: who joins asks here. */
export function withMembers(services: readonly ServiceRegistration[], cluster: EtcdCluster | null): readonly ServiceRegistration[] {
  if (cluster === null) return services;
  return services.map((registration) => {
    if (registration.service.name !== "etcdserverpb.Cluster") return registration;
    return {
      service: registration.service,
      unary: {
        MemberList: async () => ({ header: {}, members: (await cluster.members()).map(memberMessage) }),
        MemberAdd: async (request) => {
          const { added, members } = await cluster.addMember(request["peerURLs"] as readonly string[]);
          return { header: {}, member: memberMessage(added), members: members.map(memberMessage) };
        },
        MemberRemove: async (request) => {
          await cluster.removeMember(BigInt(String(request["ID"])));
          return { header: {}, members: (await cluster.members()).map(memberMessage) };
        },
      },
    };
  });
}

function memberMessage(member: ClusterMember) {
  return { ID: member.id.toString(), name: member.name, peerURLs: member.peerUrls, clientURLs: member.clientUrls };
}
