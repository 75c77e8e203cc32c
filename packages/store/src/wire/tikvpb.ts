/** All of a store's calls, and the stream that carries many of them. */
import { type Choice, choice, duplex, embed, many, message, serverStream, service, u64, unary } from "@skein/rpc";
import * as coprocessor from "./coprocessor.ts";
import * as kvrpcpb from "./kvrpcpb.ts";

export type BatchCommandsEmptyRequest = { readonly test_id: number; readonly delay_time: number };
export const BatchCommandsEmptyRequest = message<BatchCommandsEmptyRequest>("tikvpb.BatchCommandsEmptyRequest", {
  test_id: u64(1),
  delay_time: u64(2),
});
export type BatchCommandsEmptyResponse = { readonly test_id: number };
export const BatchCommandsEmptyResponse = message<BatchCommandsEmptyResponse>("tikvpb.BatchCommandsEmptyResponse", { test_id: u64(1) });

export type BatchRequests = {
  readonly Get: kvrpcpb.GetRequest;
  readonly Scan: kvrpcpb.ScanRequest;
  readonly Prewrite: kvrpcpb.PrewriteRequest;
  readonly Commit: kvrpcpb.CommitRequest;
  readonly Cleanup: kvrpcpb.CleanupRequest;
  readonly BatchGet: kvrpcpb.BatchGetRequest;
  readonly BatchRollback: kvrpcpb.BatchRollbackRequest;
  readonly ScanLock: kvrpcpb.ScanLockRequest;
  readonly ResolveLock: kvrpcpb.ResolveLockRequest;
  readonly GC: kvrpcpb.GCRequest;
  readonly DeleteRange: kvrpcpb.DeleteRangeRequest;
  readonly RawGet: kvrpcpb.RawGetRequest;
  readonly RawBatchGet: kvrpcpb.RawBatchGetRequest;
  readonly RawPut: kvrpcpb.RawPutRequest;
  readonly RawBatchPut: kvrpcpb.RawBatchPutRequest;
  readonly RawDelete: kvrpcpb.RawDeleteRequest;
  readonly RawBatchDelete: kvrpcpb.RawBatchDeleteRequest;
  readonly RawScan: kvrpcpb.RawScanRequest;
  readonly RawDeleteRange: kvrpcpb.RawDeleteRangeRequest;
  readonly RawBatchScan: kvrpcpb.RawBatchScanRequest;
  readonly Coprocessor: coprocessor.Request;
  readonly PessimisticLock: kvrpcpb.PessimisticLockRequest;
  readonly PessimisticRollback: kvrpcpb.PessimisticRollbackRequest;
  readonly CheckTxnStatus: kvrpcpb.CheckTxnStatusRequest;
  readonly TxnHeartBeat: kvrpcpb.TxnHeartBeatRequest;
  readonly CheckSecondaryLocks: kvrpcpb.CheckSecondaryLocksRequest;
  readonly Flush: kvrpcpb.FlushRequest;
  readonly BufferBatchGet: kvrpcpb.BufferBatchGetRequest;
  readonly GetHealthFeedback: kvrpcpb.GetHealthFeedbackRequest;
  readonly BroadcastTxnStatus: kvrpcpb.BroadcastTxnStatusRequest;
  readonly Empty: BatchCommandsEmptyRequest;
};
export type BatchRequest = Choice<BatchRequests>;
export const BatchRequest = choice<BatchRequests>("tikvpb.BatchCommandsRequest.Request", {
  Get: embed(1, kvrpcpb.GetRequest),
  Scan: embed(2, kvrpcpb.ScanRequest),
  Prewrite: embed(3, kvrpcpb.PrewriteRequest),
  Commit: embed(4, kvrpcpb.CommitRequest),
  Cleanup: embed(6, kvrpcpb.CleanupRequest),
  BatchGet: embed(7, kvrpcpb.BatchGetRequest),
  BatchRollback: embed(8, kvrpcpb.BatchRollbackRequest),
  ScanLock: embed(9, kvrpcpb.ScanLockRequest),
  ResolveLock: embed(10, kvrpcpb.ResolveLockRequest),
  GC: embed(11, kvrpcpb.GCRequest),
  DeleteRange: embed(12, kvrpcpb.DeleteRangeRequest),
  RawGet: embed(13, kvrpcpb.RawGetRequest),
  RawBatchGet: embed(14, kvrpcpb.RawBatchGetRequest),
  RawPut: embed(15, kvrpcpb.RawPutRequest),
  RawBatchPut: embed(16, kvrpcpb.RawBatchPutRequest),
  RawDelete: embed(17, kvrpcpb.RawDeleteRequest),
  RawBatchDelete: embed(18, kvrpcpb.RawBatchDeleteRequest),
  RawScan: embed(19, kvrpcpb.RawScanRequest),
  RawDeleteRange: embed(20, kvrpcpb.RawDeleteRangeRequest),
  RawBatchScan: embed(21, kvrpcpb.RawBatchScanRequest),
  Coprocessor: embed(22, coprocessor.Request),
  PessimisticLock: embed(23, kvrpcpb.PessimisticLockRequest),
  PessimisticRollback: embed(24, kvrpcpb.PessimisticRollbackRequest),
  CheckTxnStatus: embed(25, kvrpcpb.CheckTxnStatusRequest),
  TxnHeartBeat: embed(26, kvrpcpb.TxnHeartBeatRequest),
  CheckSecondaryLocks: embed(33, kvrpcpb.CheckSecondaryLocksRequest),
  Flush: embed(37, kvrpcpb.FlushRequest),
  BufferBatchGet: embed(38, kvrpcpb.BufferBatchGetRequest),
  GetHealthFeedback: embed(39, kvrpcpb.GetHealthFeedbackRequest),
  BroadcastTxnStatus: embed(40, kvrpcpb.BroadcastTxnStatusRequest),
  Empty: embed(255, BatchCommandsEmptyRequest),
});

export type BatchResponses = {
  readonly Get: kvrpcpb.GetResponse;
  readonly Scan: kvrpcpb.ScanResponse;
  readonly Prewrite: kvrpcpb.PrewriteResponse;
  readonly Commit: kvrpcpb.CommitResponse;
  readonly Cleanup: kvrpcpb.CleanupResponse;
  readonly BatchGet: kvrpcpb.BatchGetResponse;
  readonly BatchRollback: kvrpcpb.BatchRollbackResponse;
  readonly ScanLock: kvrpcpb.ScanLockResponse;
  readonly ResolveLock: kvrpcpb.ResolveLockResponse;
  readonly GC: kvrpcpb.GCResponse;
  readonly DeleteRange: kvrpcpb.DeleteRangeResponse;
  readonly RawGet: kvrpcpb.RawGetResponse;
  readonly RawBatchGet: kvrpcpb.RawBatchGetResponse;
  readonly RawPut: kvrpcpb.RawPutResponse;
  readonly RawBatchPut: kvrpcpb.RawBatchPutResponse;
  readonly RawDelete: kvrpcpb.RawDeleteResponse;
  readonly RawBatchDelete: kvrpcpb.RawBatchDeleteResponse;
  readonly RawScan: kvrpcpb.RawScanResponse;
  readonly RawDeleteRange: kvrpcpb.RawDeleteRangeResponse;
  readonly RawBatchScan: kvrpcpb.RawBatchScanResponse;
  readonly Coprocessor: coprocessor.Response;
  readonly PessimisticLock: kvrpcpb.PessimisticLockResponse;
  readonly PessimisticRollback: kvrpcpb.PessimisticRollbackResponse;
  readonly CheckTxnStatus: kvrpcpb.CheckTxnStatusResponse;
  readonly TxnHeartBeat: kvrpcpb.TxnHeartBeatResponse;
  readonly CheckSecondaryLocks: kvrpcpb.CheckSecondaryLocksResponse;
  readonly Flush: kvrpcpb.FlushResponse;
  readonly BufferBatchGet: kvrpcpb.BufferBatchGetResponse;
  readonly GetHealthFeedback: kvrpcpb.GetHealthFeedbackResponse;
  readonly BroadcastTxnStatus: kvrpcpb.BroadcastTxnStatusResponse;
  readonly Empty: BatchCommandsEmptyResponse;
};
export type BatchResponse = Choice<BatchResponses>;
export const BatchResponse = choice<BatchResponses>("tikvpb.BatchCommandsResponse.Response", {
  Get: embed(1, kvrpcpb.GetResponse),
  Scan: embed(2, kvrpcpb.ScanResponse),
  Prewrite: embed(3, kvrpcpb.PrewriteResponse),
  Commit: embed(4, kvrpcpb.CommitResponse),
  Cleanup: embed(6, kvrpcpb.CleanupResponse),
  BatchGet: embed(7, kvrpcpb.BatchGetResponse),
  BatchRollback: embed(8, kvrpcpb.BatchRollbackResponse),
  ScanLock: embed(9, kvrpcpb.ScanLockResponse),
  ResolveLock: embed(10, kvrpcpb.ResolveLockResponse),
  GC: embed(11, kvrpcpb.GCResponse),
  DeleteRange: embed(12, kvrpcpb.DeleteRangeResponse),
  RawGet: embed(13, kvrpcpb.RawGetResponse),
  RawBatchGet: embed(14, kvrpcpb.RawBatchGetResponse),
  RawPut: embed(15, kvrpcpb.RawPutResponse),
  RawBatchPut: embed(16, kvrpcpb.RawBatchPutResponse),
  RawDelete: embed(17, kvrpcpb.RawDeleteResponse),
  RawBatchDelete: embed(18, kvrpcpb.RawBatchDeleteResponse),
  RawScan: embed(19, kvrpcpb.RawScanResponse),
  RawDeleteRange: embed(20, kvrpcpb.RawDeleteRangeResponse),
  RawBatchScan: embed(21, kvrpcpb.RawBatchScanResponse),
  Coprocessor: embed(22, coprocessor.Response),
  PessimisticLock: embed(23, kvrpcpb.PessimisticLockResponse),
  PessimisticRollback: embed(24, kvrpcpb.PessimisticRollbackResponse),
  CheckTxnStatus: embed(25, kvrpcpb.CheckTxnStatusResponse),
  TxnHeartBeat: embed(26, kvrpcpb.TxnHeartBeatResponse),
  CheckSecondaryLocks: embed(33, kvrpcpb.CheckSecondaryLocksResponse),
  Flush: embed(37, kvrpcpb.FlushResponse),
  BufferBatchGet: embed(38, kvrpcpb.BufferBatchGetResponse),
  GetHealthFeedback: embed(39, kvrpcpb.GetHealthFeedbackResponse),
  BroadcastTxnStatus: embed(40, kvrpcpb.BroadcastTxnStatusResponse),
  Empty: embed(255, BatchCommandsEmptyResponse),
});

export type BatchCommandsRequest = { readonly requests: readonly BatchRequest[]; readonly request_ids: readonly number[] };
export const BatchCommandsRequest = message<BatchCommandsRequest>("tikvpb.BatchCommandsRequest", {
  requests: many(embed(1, BatchRequest)),
  request_ids: many(u64(2)),
});
export type BatchCommandsResponse = {
  readonly responses: readonly BatchResponse[];
  readonly request_ids: readonly number[];
  readonly transport_layer_load: number;
  readonly health_feedback: kvrpcpb.HealthFeedback | null;
};
export const BatchCommandsResponse = message<BatchCommandsResponse>("tikvpb.BatchCommandsResponse", {
  responses: many(embed(1, BatchResponse)),
  request_ids: many(u64(2)),
  transport_layer_load: u64(3),
  health_feedback: embed(4, kvrpcpb.HealthFeedback),
});

export const tikv = service("tikvpb.Tikv", {
  KvGet: unary(kvrpcpb.GetRequest, kvrpcpb.GetResponse),
  KvScan: unary(kvrpcpb.ScanRequest, kvrpcpb.ScanResponse),
  KvPrewrite: unary(kvrpcpb.PrewriteRequest, kvrpcpb.PrewriteResponse),
  KvPessimisticLock: unary(kvrpcpb.PessimisticLockRequest, kvrpcpb.PessimisticLockResponse),
  KVPessimisticRollback: unary(kvrpcpb.PessimisticRollbackRequest, kvrpcpb.PessimisticRollbackResponse),
  KvTxnHeartBeat: unary(kvrpcpb.TxnHeartBeatRequest, kvrpcpb.TxnHeartBeatResponse),
  KvCheckTxnStatus: unary(kvrpcpb.CheckTxnStatusRequest, kvrpcpb.CheckTxnStatusResponse),
  KvCheckSecondaryLocks: unary(kvrpcpb.CheckSecondaryLocksRequest, kvrpcpb.CheckSecondaryLocksResponse),
  KvCommit: unary(kvrpcpb.CommitRequest, kvrpcpb.CommitResponse),
  KvCleanup: unary(kvrpcpb.CleanupRequest, kvrpcpb.CleanupResponse),
  KvBatchGet: unary(kvrpcpb.BatchGetRequest, kvrpcpb.BatchGetResponse),
  KvBatchRollback: unary(kvrpcpb.BatchRollbackRequest, kvrpcpb.BatchRollbackResponse),
  KvScanLock: unary(kvrpcpb.ScanLockRequest, kvrpcpb.ScanLockResponse),
  KvResolveLock: unary(kvrpcpb.ResolveLockRequest, kvrpcpb.ResolveLockResponse),
  KvGC: unary(kvrpcpb.GCRequest, kvrpcpb.GCResponse),
  KvDeleteRange: unary(kvrpcpb.DeleteRangeRequest, kvrpcpb.DeleteRangeResponse),
  KvFlush: unary(kvrpcpb.FlushRequest, kvrpcpb.FlushResponse),
  KvBufferBatchGet: unary(kvrpcpb.BufferBatchGetRequest, kvrpcpb.BufferBatchGetResponse),
  RawGet: unary(kvrpcpb.RawGetRequest, kvrpcpb.RawGetResponse),
  RawBatchGet: unary(kvrpcpb.RawBatchGetRequest, kvrpcpb.RawBatchGetResponse),
  RawPut: unary(kvrpcpb.RawPutRequest, kvrpcpb.RawPutResponse),
  RawBatchPut: unary(kvrpcpb.RawBatchPutRequest, kvrpcpb.RawBatchPutResponse),
  RawDelete: unary(kvrpcpb.RawDeleteRequest, kvrpcpb.RawDeleteResponse),
  RawBatchDelete: unary(kvrpcpb.RawBatchDeleteRequest, kvrpcpb.RawBatchDeleteResponse),
  RawScan: unary(kvrpcpb.RawScanRequest, kvrpcpb.RawScanResponse),
  RawDeleteRange: unary(kvrpcpb.RawDeleteRangeRequest, kvrpcpb.RawDeleteRangeResponse),
  RawBatchScan: unary(kvrpcpb.RawBatchScanRequest, kvrpcpb.RawBatchScanResponse),
  RawGetKeyTTL: unary(kvrpcpb.RawGetKeyTTLRequest, kvrpcpb.RawGetKeyTTLResponse),
  RawCompareAndSwap: unary(kvrpcpb.RawCASRequest, kvrpcpb.RawCASResponse),
  RawChecksum: unary(kvrpcpb.RawChecksumRequest, kvrpcpb.RawChecksumResponse),
  UnsafeDestroyRange: unary(kvrpcpb.UnsafeDestroyRangeRequest, kvrpcpb.UnsafeDestroyRangeResponse),
  Coprocessor: unary(coprocessor.Request, coprocessor.Response),
  CoprocessorStream: serverStream(coprocessor.Request, coprocessor.Response),
  SplitRegion: unary(kvrpcpb.SplitRegionRequest, kvrpcpb.SplitRegionResponse),
  ReadIndex: unary(kvrpcpb.ReadIndexRequest, kvrpcpb.ReadIndexResponse),
  MvccGetByKey: unary(kvrpcpb.MvccGetByKeyRequest, kvrpcpb.MvccGetByKeyResponse),
  MvccGetByStartTs: unary(kvrpcpb.MvccGetByStartTsRequest, kvrpcpb.MvccGetByStartTsResponse),
  BatchCommands: duplex(BatchCommandsRequest, BatchCommandsResponse),
  CheckLeader: unary(kvrpcpb.CheckLeaderRequest, kvrpcpb.CheckLeaderResponse),
  GetStoreSafeTS: unary(kvrpcpb.StoreSafeTSRequest, kvrpcpb.StoreSafeTSResponse),
  GetLockWaitInfo: unary(kvrpcpb.GetLockWaitInfoRequest, kvrpcpb.GetLockWaitInfoResponse),
  GetLockWaitHistory: unary(kvrpcpb.GetLockWaitHistoryRequest, kvrpcpb.GetLockWaitHistoryResponse),
  GetHealthFeedback: unary(kvrpcpb.GetHealthFeedbackRequest, kvrpcpb.GetHealthFeedbackResponse),
  BroadcastTxnStatus: unary(kvrpcpb.BroadcastTxnStatusRequest, kvrpcpb.BroadcastTxnStatusResponse),
});
