/** Membership of an etcd cluster: what joining and scaling in need. */
import type { World } from "@skein/base";
import { EtcdConnection, type EtcdConnectionOptions } from "./etcd-connection.ts";
import { clusterService, type MemberMessage } from "./schema.ts";

/** A member as etcd knows it. */
export interface ClusterMember {
  readonly id: bigint;
  /** Empty while the member has been added and has not started yet. */
  readonly name: string;
  readonly peerUrls: readonly string[];
  readonly clientUrls: readonly string[];
}

/** Who is in the cluster, and changes of it. */
export interface EtcdCluster extends Disposable {
  members(): Promise<readonly ClusterMember[]>;
  /** Throws `refused` (for example when the cluster would lose its majority) and `outcomeUnknown`. */
  addMember(peerUrls: readonly string[]): Promise<{ readonly added: ClusterMember; readonly members: readonly ClusterMember[] }>;
  removeMember(id: bigint): Promise<void>;
  close(): void;
}

export function openEtcdCluster(world: World, options: EtcdConnectionOptions): EtcdCluster {
  const connection = new EtcdConnection(world, options);
  const close = () => connection.close();
  return {
    members: async () => {
      const answer = await connection.call({ service: clusterService, method: "MemberList", isRepeatable: true }, { linearizable: true });
      return membersOf(answer["members"]);
    },
    addMember: async (peerUrls) => {
      const answer = await connection.call({ service: clusterService, method: "MemberAdd", isRepeatable: false }, { peerURLs: peerUrls });
      return { added: memberOf(answer["member"] as MemberMessage), members: membersOf(answer["members"]) };
    },
    removeMember: async (id) => {
      await connection.call({ service: clusterService, method: "MemberRemove", isRepeatable: false }, { ID: id.toString() });
    },
    close,
    [Symbol.dispose]: close,
  };
}

/** `n1=url1,n2=url2`, as etcd's `--initial-cluster` wants it; `self` names the member that has no name yet. */
export function initialClusterOf(members: readonly ClusterMember[], self: { readonly id: bigint; readonly name: string }): string {
  return members
    .flatMap((member) => member.peerUrls.map((url) => `${member.id === self.id ? self.name : member.name}=${url}`))
    .sort()
    .join(",");
}

function membersOf(messages: unknown): ClusterMember[] {
  return (messages as readonly MemberMessage[]).map(memberOf).sort((a, b) => (a.name < b.name ? -1 : 1));
}

function memberOf(message: MemberMessage): ClusterMember {
  return { id: BigInt(message.ID), name: message.name, peerUrls: message.peerURLs, clientUrls: message.clientURLs };
}
