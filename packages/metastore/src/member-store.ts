/**
 * Where the metadata of one member of a service lies: alone in a file of its own; with others, or once it has been with others, in an
 * etcd that it runs beside itself.
 *
 *   <data-dir>/metastore.sqlite   alone
 *   <data-dir>/member/, etcd.log  with others
 *   <data-dir>/join               what the cluster that it joined had answered, until etcd has read it
 */
import { causeText, freePort, type TlsFiles, type World } from "@skein/base";
import { type EtcdCluster, initialClusterOf, openEtcdCluster } from "./etcd/etcd-cluster.ts";
import { type EtcdMember, startEtcdMember } from "./etcd/etcd-member.ts";
import type { Metastore } from "./metastore.ts";
import { openMetastore } from "./open-metastore.ts";

/** Who the member is, where its data lies, and with whom it is. URLs are `http://host:port`. */
export interface MemberStoreOptions {
  readonly name: string;
  readonly dataDir: string;
  /** `n1=url1,n2=url2`: more than one entry makes a new cluster. */
  readonly initialCluster: string;
  readonly initialClusterState: "new" | "existing";
  /** Client URLs or addresses of a running cluster that this member is to join; empty otherwise. */
  readonly join: readonly string[];
  readonly peerUrls: readonly string[];
  readonly advertisePeerUrls: readonly string[];
  /** This member's own port, which serves etcd's protocol too: what others see. */
  readonly advertiseClientUrls: readonly string[];
  /** Of a transaction. */
  readonly operationsMax: number;
  readonly requestBytesMax: number;
  /** What the files hold, and where they are. */
  readonly tls: { readonly files: TlsFiles; readonly ca: string; readonly cert: string; readonly key: string } | null;
  /** Common names that other members may have; of several etcd takes the first only. */
  readonly allowedCommonNames: readonly string[];
  /** Further flags of etcd, without dashes. */
  readonly flags: Readonly<Record<string, string>>;
  readonly errors: {
    readonly startFailed: (cause: unknown) => Error;
    readonly joinFailed: (problem: string, cause?: unknown) => Error;
    /** The problem of a name that a member has already, whose data is not here. */
    readonly takenText: string;
    /** The problem of a cluster where another member has been added and has not come yet. */
    readonly unfinishedText: string;
  };
}

/** The metadata as this member reaches it. */
export interface MemberStore extends AsyncDisposable {
  readonly store: Metastore;
  /** Null when this member is alone. */
  readonly cluster: EtcdCluster | null;
  /** Ends its etcd, too. */
  close(): Promise<void>;
}

/** A second apart. */
const joinTriesMax = 20;
const startTimeoutMs = 120_000;

/** Rejects with the errors of the options, and those of `openMetastore`. */
export async function openMemberStore(world: World, options: MemberStoreOptions): Promise<MemberStore> {
  const { dataDir, operationsMax, requestBytesMax, tls } = options;
  await world.disk.makeFolder(dataDir, { mode: 0o700 });
  const names = options.initialCluster.split(",").filter((entry) => entry !== "");
  const hasData = (await world.disk.stat(`${dataDir}/member/wal`)) !== null;
  const joinText = await readText(world, `${dataDir}/join`);
  if (names.length <= 1 && options.join.length === 0 && !hasData && joinText === null) {
    const store = await openMetastore(world, {
      kind: "embedded",
      path: `${dataDir}/metastore.sqlite`,
      operationsMax,
      requestBytesMax,
    });
    return memberStore(store, null, null);
  }
  let { initialCluster, initialClusterState } = options;
  if (hasData || joinText !== null || options.join.length > 0) initialClusterState = "existing";
  if (!hasData && joinText !== null) initialCluster = joinText;
  else if (!hasData && options.join.length > 0) {
    initialCluster = await joinCluster(world, options);
    await world.disk.writeFileAtomic(`${dataDir}/join`, initialCluster);
  }
  // It listens on loopback, and its certificate is this member's: for the address that others use.
  const serverName = new URL(options.advertiseClientUrls[0] ?? "http://127.0.0.1").hostname.replace(/^\[|\]$/g, "");
  const endpoints = [`${tls === null ? "http" : "https"}://127.0.0.1:${await freePort(world)}`];
  const allowedName = options.allowedCommonNames[0];
  const member = await startEtcdMember(world, {
    name: options.name,
    dataDir,
    peerUrls: options.peerUrls,
    advertisePeerUrls: options.advertisePeerUrls,
    clientUrls: endpoints,
    advertiseClientUrls: options.advertiseClientUrls,
    initialCluster,
    initialClusterState,
    ...(tls === null ? {} : { tls: { ca: tls.ca, cert: tls.cert, key: tls.key, serverName } }),
    flags: {
      ...(allowedName === undefined ? {} : { "peer-cert-allowed-cn": allowedName }),
      "max-txn-ops": String(operationsMax),
      "max-request-bytes": String(requestBytesMax),
      ...options.flags,
    },
  });
  const etcd = { endpoints, ...(tls === null ? {} : { tls: { ...tls.files, serverName } }) };
  try {
    await member.waitHealthy({ timeoutMs: startTimeoutMs });
    const store = await openMetastore(world, { kind: "etcd", ...etcd, operationsMax, requestBytesMax });
    return memberStore(store, openEtcdCluster(world, etcd), member);
  } catch (error) {
    await member.stop();
    throw options.errors.startFailed(error);
  }
}

function memberStore(store: Metastore, cluster: EtcdCluster | null, member: EtcdMember | null): MemberStore {
  const close = async () => {
    await store.close();
    cluster?.close();
    await member?.stop();
  };
  return { store, cluster, close, [Symbol.asyncDispose]: close };
}

/** Adds this member to a running cluster; the new `initial-cluster`. */
async function joinCluster(world: World, options: MemberStoreOptions): Promise<string> {
  const { name, advertisePeerUrls, tls } = options;
  const { joinFailed, takenText, unfinishedText } = options.errors;
  using cluster = openEtcdCluster(world, { endpoints: options.join, ...(tls === null ? {} : { tls: tls.files }) });
  for (let tries = 1; ; tries++) {
    let problem: string | null = null;
    try {
      const members = await cluster.members();
      const unfinished = members.filter((member) => member.name === "");
      if (members.some((member) => member.name === name)) problem = takenText;
      else if (!unfinished.every((member) => member.peerUrls.some((url) => advertisePeerUrls.includes(url)))) problem = unfinishedText;
      else {
        // The answer to an earlier try may have been lost on its way.
        const { added, members: all } =
          unfinished[0] === undefined ? await cluster.addMember(advertisePeerUrls) : { added: unfinished[0], members };
        return initialClusterOf(all, { id: added.id, name });
      }
    } catch (error) {
      // Members that have just started refuse until they have been connected for some seconds. A member that began alone keeps its
      // metadata in a file: it has no cluster to join, and refuses always.
      if (tries >= joinTriesMax || /unimplemented/i.test(causeText(error))) throw joinFailed(causeText(error), error);
    }
    if (problem !== null) throw joinFailed(problem);
    await world.clock.sleep(1000);
  }
}

async function readText(world: World, path: string): Promise<string | null> {
  if ((await world.disk.stat(path)) === null) return null;
  return new TextDecoder().decode(await world.disk.readFile(path, { limitBytes: 64 * 1024 })).trim();
}
