/** Resource control: groups and their settings, and the stream of tokens. */
import { bool, double, duplex, embed, i64, many, message, names, service, text, u32, u64, unary } from "@skein/rpc";

export const requestUnitTypeNames = ["RU"] as const;
export type RequestUnitType = (typeof requestUnitTypeNames)[number] | "unrecognized";

export type RequestUnitItem = { readonly type: RequestUnitType; readonly value: number };
export const RequestUnitItem = message<RequestUnitItem>("resource_manager.RequestUnitItem", {
  type: names(1, requestUnitTypeNames),
  value: double(2),
});

export type TokenBucketRequestRequestRU = { readonly request_r_u: readonly RequestUnitItem[] };
export const TokenBucketRequestRequestRU = message<TokenBucketRequestRequestRU>("resource_manager.TokenBucketRequestRequestRU", {
  request_r_u: many(embed(1, RequestUnitItem)),
});

export const rawResourceTypeNames = ["CPU", "IOReadFlow", "IOWriteFlow"] as const;
export type RawResourceType = (typeof rawResourceTypeNames)[number] | "unrecognized";

export type RawResourceItem = { readonly type: RawResourceType; readonly value: number };
export const RawResourceItem = message<RawResourceItem>("resource_manager.RawResourceItem", {
  type: names(1, rawResourceTypeNames),
  value: double(2),
});

export type TokenBucketRequestRequestRawResource = { readonly request_raw_resource: readonly RawResourceItem[] };
export const TokenBucketRequestRequestRawResource = message<TokenBucketRequestRequestRawResource>(
  "resource_manager.TokenBucketRequestRequestRawResource",
  { request_raw_resource: many(embed(1, RawResourceItem)) },
);

export type Consumption = {
  readonly r_r_u: number;
  readonly w_r_u: number;
  readonly read_bytes: number;
  readonly write_bytes: number;
  readonly total_cpu_time_ms: number;
  readonly sql_layer_cpu_time_ms: number;
  readonly kv_read_rpc_count: number;
  readonly kv_write_rpc_count: number;
};
export const Consumption = message<Consumption>("resource_manager.Consumption", {
  r_r_u: double(1),
  w_r_u: double(2),
  read_bytes: double(3),
  write_bytes: double(4),
  total_cpu_time_ms: double(5),
  sql_layer_cpu_time_ms: double(6),
  kv_read_rpc_count: double(7),
  kv_write_rpc_count: double(8),
});

export type TokenBucketRequest = {
  readonly resource_group_name: string;
  readonly ru_items: TokenBucketRequestRequestRU | null;
  readonly raw_resource_items: TokenBucketRequestRequestRawResource | null;
  readonly consumption_since_last_request: Consumption | null;
  readonly is_background: boolean;
  readonly is_tiflash: boolean;
};
export const TokenBucketRequest = message<TokenBucketRequest>("resource_manager.TokenBucketRequest", {
  resource_group_name: text(1),
  ru_items: embed(2, TokenBucketRequestRequestRU),
  raw_resource_items: embed(3, TokenBucketRequestRequestRawResource),
  consumption_since_last_request: embed(4, Consumption),
  is_background: bool(5),
  is_tiflash: bool(6),
});

export type TokenBucketsRequest = {
  readonly requests: readonly TokenBucketRequest[];
  readonly target_request_period_ms: number;
  readonly client_unique_id: number;
};
export const TokenBucketsRequest = message<TokenBucketsRequest>("resource_manager.TokenBucketsRequest", {
  requests: many(embed(1, TokenBucketRequest)),
  target_request_period_ms: u64(2),
  client_unique_id: u64(3),
});

export type Error = { readonly message: string };
export const Error = message<Error>("resource_manager.Error", { message: text(1) });

export type TokenLimitSettings = { readonly fill_rate: number; readonly burst_limit: number; readonly max_tokens: number };
export const TokenLimitSettings = message<TokenLimitSettings>("resource_manager.TokenLimitSettings", {
  fill_rate: u64(1),
  burst_limit: i64(2),
  max_tokens: double(3),
});

export type TokenBucket = { readonly settings: TokenLimitSettings | null; readonly tokens: number };
export const TokenBucket = message<TokenBucket>("resource_manager.TokenBucket", {
  settings: embed(1, TokenLimitSettings),
  tokens: double(2),
});

export type GrantedRUTokenBucket = {
  readonly type: RequestUnitType;
  readonly granted_tokens: TokenBucket | null;
  readonly trickle_time_ms: number;
};
export const GrantedRUTokenBucket = message<GrantedRUTokenBucket>("resource_manager.GrantedRUTokenBucket", {
  type: names(1, requestUnitTypeNames),
  granted_tokens: embed(2, TokenBucket),
  trickle_time_ms: i64(3),
});

export type GrantedRawResourceTokenBucket = {
  readonly type: RawResourceType;
  readonly granted_tokens: TokenBucket | null;
  readonly trickle_time_ms: number;
};
export const GrantedRawResourceTokenBucket = message<GrantedRawResourceTokenBucket>("resource_manager.GrantedRawResourceTokenBucket", {
  type: names(1, rawResourceTypeNames),
  granted_tokens: embed(2, TokenBucket),
  trickle_time_ms: i64(3),
});

export type TokenBucketResponse = {
  readonly resource_group_name: string;
  readonly granted_r_u_tokens: readonly GrantedRUTokenBucket[];
  readonly granted_resource_tokens: readonly GrantedRawResourceTokenBucket[];
};
export const TokenBucketResponse = message<TokenBucketResponse>("resource_manager.TokenBucketResponse", {
  resource_group_name: text(1),
  granted_r_u_tokens: many(embed(2, GrantedRUTokenBucket)),
  granted_resource_tokens: many(embed(3, GrantedRawResourceTokenBucket)),
});

export type TokenBucketsResponse = { readonly error: Error | null; readonly responses: readonly TokenBucketResponse[] };
export const TokenBucketsResponse = message<TokenBucketsResponse>("resource_manager.TokenBucketsResponse", {
  error: embed(1, Error),
  responses: many(embed(2, TokenBucketResponse)),
});

export type GroupRequestUnitSettings = { readonly r_u: TokenBucket | null };
export const GroupRequestUnitSettings = message<GroupRequestUnitSettings>("resource_manager.GroupRequestUnitSettings", {
  r_u: embed(1, TokenBucket),
});

export type GroupRawResourceSettings = {
  readonly cpu: TokenBucket | null;
  readonly io_read: TokenBucket | null;
  readonly io_write: TokenBucket | null;
};
export const GroupRawResourceSettings = message<GroupRawResourceSettings>("resource_manager.GroupRawResourceSettings", {
  cpu: embed(1, TokenBucket),
  io_read: embed(2, TokenBucket),
  io_write: embed(3, TokenBucket),
});

export const groupModeNames = ["Unknown", "RUMode", "RawMode"] as const;
export type GroupMode = (typeof groupModeNames)[number] | "unrecognized";

export type ResourceGroup = {
  readonly name: string;
  readonly mode: GroupMode;
  readonly r_u_settings: GroupRequestUnitSettings | null;
  readonly raw_resource_settings: GroupRawResourceSettings | null;
  readonly priority: number;
};
export const ResourceGroup = message<ResourceGroup>("resource_manager.ResourceGroup", {
  name: text(1),
  mode: names(2, groupModeNames),
  r_u_settings: embed(3, GroupRequestUnitSettings),
  raw_resource_settings: embed(4, GroupRawResourceSettings),
  priority: u32(5),
});

export type ListResourceGroupsRequest = { readonly with_ru_stats: boolean };
export const ListResourceGroupsRequest = message<ListResourceGroupsRequest>("resource_manager.ListResourceGroupsRequest", {
  with_ru_stats: bool(1),
});

export type ListResourceGroupsResponse = { readonly error: Error | null; readonly groups: readonly ResourceGroup[] };
export const ListResourceGroupsResponse = message<ListResourceGroupsResponse>("resource_manager.ListResourceGroupsResponse", {
  error: embed(1, Error),
  groups: many(embed(2, ResourceGroup)),
});

export type GetResourceGroupRequest = { readonly resource_group_name: string };
export const GetResourceGroupRequest = message<GetResourceGroupRequest>("resource_manager.GetResourceGroupRequest", {
  resource_group_name: text(1),
});

export type GetResourceGroupResponse = { readonly error: Error | null; readonly group: ResourceGroup | null };
export const GetResourceGroupResponse = message<GetResourceGroupResponse>("resource_manager.GetResourceGroupResponse", {
  error: embed(1, Error),
  group: embed(2, ResourceGroup),
});

export type DeleteResourceGroupRequest = { readonly resource_group_name: string };
export const DeleteResourceGroupRequest = message<DeleteResourceGroupRequest>("resource_manager.DeleteResourceGroupRequest", {
  resource_group_name: text(1),
});

export type PutResourceGroupRequest = { readonly group: ResourceGroup | null };
export const PutResourceGroupRequest = message<PutResourceGroupRequest>("resource_manager.PutResourceGroupRequest", {
  group: embed(1, ResourceGroup),
});

/** Of putting and of deleting alike. */
export type ResourceGroupAnswer = { readonly error: Error | null; readonly body: string };
export const ResourceGroupAnswer = message<ResourceGroupAnswer>("resource_manager.PutResourceGroupResponse", {
  error: embed(1, Error),
  body: text(2),
});

export const resourceManager = service("resource_manager.ResourceManager", {
  ListResourceGroups: unary(ListResourceGroupsRequest, ListResourceGroupsResponse),
  GetResourceGroup: unary(GetResourceGroupRequest, GetResourceGroupResponse),
  AddResourceGroup: unary(PutResourceGroupRequest, ResourceGroupAnswer),
  ModifyResourceGroup: unary(PutResourceGroupRequest, ResourceGroupAnswer),
  DeleteResourceGroup: unary(DeleteResourceGroupRequest, ResourceGroupAnswer),
  AcquireTokenBuckets: duplex(TokenBucketsRequest, TokenBucketsResponse),
});
