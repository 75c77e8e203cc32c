/** etcd's member calls at a master's own port: a master that joins asks here, and does not know where the etcd behind it listens. */
import type { ClusterMember, EtcdCluster } from "@skein/metastore";
import type { ServiceRegistration } from "@skein/rpc";

const clusterServiceName = "etcdserverpb.Cluster";

/** The registrations of `etcdServices`, with the member calls answered by the real cluster where there is one. */
export function withMembers(services: readonly ServiceRegistration[], cluster: EtcdCluster | null): readonly ServiceRegistration[] {
  if (cluster === null) return services;
  return services.map((registration) => {
    if (registration.service.name !== clusterServiceName) return registration;
    return {
      service: registration.service,
      unary: {
        MemberList: async () => ({ header: {}, members: (await cluster.members()).map(messageOf) }),
        MemberAdd: async (request) => {
          const { added, members } = await cluster.addMember(request["peerURLs"] as readonly string[]);
          return { header: {}, member: messageOf(added), members: members.map(messageOf) };
        },
        MemberRemove: async (request) => {
          await cluster.removeMember(BigInt(String(request["ID"])));
          return { header: {}, members: (await cluster.members()).map(messageOf) };
        },
      },
    };
  });
}

function messageOf(member: ClusterMember) {
  return { ID: member.id.toString(), name: member.name, peerURLs: member.peerUrls, clientURLs: member.clientUrls };
}
