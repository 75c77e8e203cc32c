/** Key spaces: only what clients ask before they use the one that has no name. */
import { embed, i64, many, message, names, service, text, u32, unary } from "@skein/rpc";
import * as pdpb from "./pdpb.ts";

export type LoadKeyspaceRequest = { readonly header: pdpb.RequestHeader | null; readonly name: string };
export const LoadKeyspaceRequest = message<LoadKeyspaceRequest>("keyspacepb.LoadKeyspaceRequest", {
  header: embed(1, pdpb.RequestHeader),
  name: text(2),
});

export const keyspaceStateNames = ["ENABLED", "DISABLED", "ARCHIVED", "TOMBSTONE"] as const;
export type KeyspaceState = (typeof keyspaceStateNames)[number] | "unrecognized";

export type KeyspaceMeta = {
  readonly id: number;
  readonly name: string;
  readonly state: KeyspaceState;
  readonly created_at: number;
  readonly state_changed_at: number;
};
export const KeyspaceMeta = message<KeyspaceMeta>("keyspacepb.KeyspaceMeta", {
  id: u32(1),
  name: text(2),
  state: names(3, keyspaceStateNames),
  created_at: i64(4),
  state_changed_at: i64(5),
});

export type LoadKeyspaceResponse = { readonly header: pdpb.ResponseHeader | null; readonly keyspace: KeyspaceMeta | null };
export const LoadKeyspaceResponse = message<LoadKeyspaceResponse>("keyspacepb.LoadKeyspaceResponse", {
  header: embed(1, pdpb.ResponseHeader),
  keyspace: embed(2, KeyspaceMeta),
});

export type GetAllKeyspacesRequest = { readonly header: pdpb.RequestHeader | null; readonly start_id: number; readonly limit: number };
export const GetAllKeyspacesRequest = message<GetAllKeyspacesRequest>("keyspacepb.GetAllKeyspacesRequest", {
  header: embed(1, pdpb.RequestHeader),
  start_id: u32(2),
  limit: u32(3),
});

export type GetAllKeyspacesResponse = { readonly header: pdpb.ResponseHeader | null; readonly keyspaces: readonly KeyspaceMeta[] };
export const GetAllKeyspacesResponse = message<GetAllKeyspacesResponse>("keyspacepb.GetAllKeyspacesResponse", {
  header: embed(1, pdpb.ResponseHeader),
  keyspaces: many(embed(2, KeyspaceMeta)),
});

export const keyspace = service("keyspacepb.Keyspace", {
  LoadKeyspace: unary(LoadKeyspaceRequest, LoadKeyspaceResponse),
  GetAllKeyspaces: unary(GetAllKeyspacesRequest, GetAllKeyspacesResponse),
});
