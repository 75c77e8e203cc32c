/** The schemas of the placement driver's services; a namespace for each package of the field's protocol, with its own names. */
import { peerMessage, peerOf, regionMessage, regionOf, storeMessage, storeOf } from "./convert.ts";
import * as eraftpb from "./eraftpb.ts";
import * as keyspacepb from "./keyspacepb.ts";
import * as meta_storagepb from "./meta_storagepb.ts";
import * as metapb from "./metapb.ts";
import * as pdpb from "./pdpb.ts";
import * as raft_serverpb from "./raft_serverpb.ts";
import * as replication_modepb from "./replication_modepb.ts";
import * as resource_manager from "./resource_manager.ts";

export {
  eraftpb,
  keyspacepb,
  meta_storagepb,
  metapb,
  pdpb,
  peerMessage,
  peerOf,
  raft_serverpb,
  regionMessage,
  regionOf,
  replication_modepb,
  resource_manager,
  storeMessage,
  storeOf,
};
