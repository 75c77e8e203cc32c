/**
 * The gRPC services of migration, package `pb`: field numbers and names are facts of the field's wire protocol, so that stock clients
 * and ours understand each other. Fields from 1000 on are ours; stock clients skip them.
 *
 * (`Empty` stands for `google.protobuf.Empty`: type names are not on the wire.)
 */
export const wireSchemaText = `
syntax = "proto3";
package pb;

message Empty {}

service Master {
  rpc StartTask (StartTaskRequest) returns (StartTaskResponse);
  rpc OperateTask (OperateTaskRequest) returns (OperateTaskResponse);
  rpc UpdateTask (UpdateTaskRequest) returns (UpdateTaskResponse);
  rpc QueryStatus (QueryStatusListRequest) returns (QueryStatusListResponse);
  rpc ShowDDLLocks (ShowDDLLocksRequest) returns (ShowDDLLocksResponse);
  rpc UnlockDDLLock (UnlockDDLLockRequest) returns (UnlockDDLLockResponse);
  rpc OperateWorkerRelayTask (OperateWorkerRelayRequest) returns (OperateWorkerRelayResponse);
  rpc PurgeWorkerRelay (PurgeWorkerRelayRequest) returns (PurgeWorkerRelayResponse);
  rpc CheckTask (CheckTaskRequest) returns (CheckTaskResponse);
  rpc OperateSource (OperateSourceRequest) returns (OperateSourceResponse);
  rpc RegisterWorker (RegisterWorkerRequest) returns (RegisterWorkerResponse);
  rpc OfflineMember (OfflineMemberRequest) returns (OfflineMemberResponse);
  rpc OperateLeader (OperateLeaderRequest) returns (OperateLeaderResponse);
  rpc ListMember (ListMemberRequest) returns (ListMemberResponse);
  rpc OperateSchema (OperateSchemaRequest) returns (OperateSchemaResponse);
  rpc GetSubTaskCfg (GetSubTaskCfgRequest) returns (GetSubTaskCfgResponse);
  rpc GetCfg (GetCfgRequest) returns (GetCfgResponse);
  rpc HandleError (HandleErrorRequest) returns (HandleErrorResponse);
  rpc GetMasterCfg (GetMasterCfgRequest) returns (GetMasterCfgResponse);
  rpc TransferSource (TransferSourceRequest) returns (TransferSourceResponse);
  rpc OperateRelay (OperateRelayRequest) returns (OperateRelayResponse);
  rpc StartValidation (StartValidationRequest) returns (StartValidationResponse);
  rpc StopValidation (StopValidationRequest) returns (StopValidationResponse);
  rpc GetValidationStatus (GetValidationStatusRequest) returns (GetValidationStatusResponse);
  rpc GetValidationError (GetValidationErrorRequest) returns (GetValidationErrorResponse);
  rpc OperateValidationError (OperateValidationErrorRequest) returns (OperateValidationErrorResponse);
  rpc UpdateValidation (UpdateValidationRequest) returns (UpdateValidationResponse);
  rpc Encrypt (EncryptRequest) returns (EncryptResponse);
  rpc ListTaskConfigs (Empty) returns (ListTaskConfigsResponse);
  rpc ListSourceConfigs (Empty) returns (ListSourceConfigsResponse);
}

service Worker {
  rpc QueryStatus (QueryStatusRequest) returns (QueryStatusResponse);
  rpc PurgeRelay (PurgeRelayRequest) returns (CommonWorkerResponse);
  rpc OperateSchema (OperateWorkerSchemaRequest) returns (CommonWorkerResponse);
  rpc OperateV1Meta (OperateV1MetaRequest) returns (OperateV1MetaResponse);
  rpc HandleError (HandleWorkerErrorRequest) returns (CommonWorkerResponse);
  rpc GetWorkerCfg (GetWorkerCfgRequest) returns (GetWorkerCfgResponse);
  rpc CheckSubtasksCanUpdate (CheckSubtasksCanUpdateRequest) returns (CheckSubtasksCanUpdateResponse);
  rpc GetWorkerValidatorStatus (GetValidationStatusRequest) returns (GetValidationStatusResponse);
  rpc GetValidatorError (GetValidationErrorRequest) returns (GetValidationErrorResponse);
  rpc OperateValidatorError (OperateValidationErrorRequest) returns (OperateValidationErrorResponse);
  rpc UpdateValidator (UpdateValidationWorkerRequest) returns (CommonWorkerResponse);
}

enum Stage { InvalidStage = 0; New = 1; Running = 2; Paused = 3; Stopped = 4; Finished = 5; Pausing = 6; Resuming = 7; Stopping = 8; }
enum UnitType { InvalidUnit = 0; Check = 1; Dump = 2; Load = 3; Sync = 4; Relay = 100; }
enum TaskOp { InvalidOp = 0; Stop = 1; Pause = 2; Resume = 3; Start = 4; Update = 5; AutoResume = 6; Delete = 7; }
enum SourceOp { InvalidSourceOp = 0; StartSource = 1; UpdateSource = 2; StopSource = 3; ShowSource = 4; }
enum RelayOp { InvalidRelayOp = 0; StopRelay = 1; PauseRelay = 2; ResumeRelay = 3; }
enum RelayOpV2 { InvalidRelayOpV2 = 0; StartRelayV2 = 1; StopRelayV2 = 2; }
enum SchemaOp { InvalidSchemaOp = 0; GetSchema = 1; SetSchema = 2; RemoveSchema = 3; ListSchema = 4; ListTable = 5; ListMigrateTargets = 6; }
enum ErrorOp { InvalidErrorOp = 0; Skip = 1; Replace = 2; Revert = 3; Inject = 4; List = 5; }
enum UnlockDDLLockOp { InvalidLockOp = 0; SkipLock = 1; ExecLock = 2; }
enum LeaderOp { InvalidLeaderOp = 0; EvictLeaderOp = 1; CancelEvictLeaderOp = 2; }
enum CfgType { InvalidType = 0; TaskType = 1; MasterType = 2; WorkerType = 3; SourceType = 4; TaskTemplateType = 5; }
enum V1MetaOp { InvalidV1MetaOp = 0; GetV1Meta = 1; RemoveV1Meta = 2; }
enum ValidateErrorState { InvalidErr = 0; NewErr = 1; IgnoredErr = 2; ResolvedErr = 3; }
enum ValidationErrOp { InvalidErrOp = 0; IgnoreErrOp = 1; ResolveErrOp = 2; ClearErrOp = 3; }

message CommonWorkerResponse { bool result = 1; string msg = 2; string source = 3; string worker = 4; }

message StartTaskRequest {
  string task = 1; repeated string sources = 2; bool removeMeta = 3; string startTime = 4;
  // Stores the task in stage Stopped instead of letting it run: what the OpenAPI's "create" means.
  bool createOnly = 1000;
  // Of safe mode after the start, such as 60s; "" is what the configuration says.
  string safeModeDuration = 1001;
}
message StartTaskResponse { bool result = 1; string msg = 2; repeated CommonWorkerResponse sources = 3; string checkResult = 4; }
message OperateTaskRequest { TaskOp op = 1; string name = 2; repeated string sources = 3; }
message OperateTaskResponse { TaskOp op = 1; bool result = 2; string msg = 3; repeated CommonWorkerResponse sources = 4; }
message UpdateTaskRequest { string task = 1; repeated string sources = 2; }
message UpdateTaskResponse { bool result = 1; string msg = 2; repeated CommonWorkerResponse sources = 3; string checkResult = 4; }
message CheckTaskRequest { string task = 1; int64 errCnt = 2; int64 warnCnt = 3; string startTime = 4; }
message CheckTaskResponse { bool result = 1; string msg = 2; }

message QueryStatusListRequest { string name = 1; repeated string sources = 2; }
message QueryStatusListResponse { bool result = 1; string msg = 2; repeated QueryStatusResponse sources = 3; }
message QueryStatusRequest { string name = 1; }
message QueryStatusResponse {
  bool result = 1; string msg = 2; SourceStatus sourceStatus = 3; repeated SubTaskStatus subTaskStatus = 4;
  // What keeps the source from running, when it is not a matter of one subtask: no worker, a dead worker.
  repeated Blocker blockers = 1000;
}
message SourceStatus { string source = 1; string worker = 2; ProcessResult result = 3; RelayStatus relayStatus = 4; }
message RelayStatus {
  string masterBinlog = 1; string masterBinlogGtid = 2; string relaySubDir = 3; string relayBinlog = 4; string relayBinlogGtid = 5;
  bool relayCatchUpMaster = 6; Stage stage = 7; ProcessResult result = 8;
}
message ProcessResult { bool isCanceled = 1; repeated ProcessError errors = 2; bytes detail = 3; }
message ProcessError {
  int32 ErrCode = 1; string ErrClass = 2; string ErrScope = 3; string ErrLevel = 4; string Message = 5; string RawCause = 6;
  string Workaround = 7;
}
message SubTaskStatus {
  string name = 1; Stage stage = 2; UnitType unit = 3; ProcessResult result = 4; string unresolvedDDLLockID = 5;
  oneof status { string msg = 6; CheckStatus check = 7; DumpStatus dump = 8; LoadStatus load = 9; SyncStatus sync = 10; }
  ValidationStatus validation = 11;
  SubTaskDetail detail = 1000;
}
message CheckStatus { bool passed = 1; int32 total = 2; int32 successful = 3; int32 failed = 4; int32 warning = 5; bytes detail = 6; }
message DumpStatus {
  int64 totalTables = 1; double completedTables = 2; double finishedBytes = 3; double finishedRows = 4; double estimateTotalRows = 5;
  int64 bps = 6; string progress = 7;
}
message LoadStatus {
  int64 finishedBytes = 1; int64 totalBytes = 2; string progress = 3; string metaBinlog = 4; string metaBinlogGTID = 5; int64 bps = 6;
}
message ShardingGroup { string target = 1; repeated string DDLs = 2; string firstLocation = 3; repeated string synced = 4; repeated string unsynced = 5; }
message SyncStatus {
  int64 totalEvents = 1; int64 totalTps = 2; int64 recentTps = 3; string masterBinlog = 4; string masterBinlogGtid = 5;
  string syncerBinlog = 6; string syncerBinlogGtid = 7; repeated string blockingDDLs = 8; repeated ShardingGroup unresolvedGroups = 9;
  bool synced = 10; string binlogType = 11; int64 secondsBehindMaster = 12; string blockDDLOwner = 13; string conflictMsg = 14;
  int64 totalRows = 15; int64 totalRps = 16; int64 recentRps = 17; uint64 ioTotalBytes = 18; uint64 dumpIOTotalBytes = 19;
}

// Ours: what \`query-status --why\` and the dashboard show.
message Blocker { string what = 1; string nextStep = 2; }
message TableProgress { string source = 1; string target = 2; int64 finishedRows = 3; int64 totalRows = 4; string state = 5; }
message SubTaskDetail {
  // Milliseconds; meaningful in Sync only.
  int64 lagMs = 1;
  // -1 when it is not known.
  int64 etaSeconds = 2;
  double rowsPerSecond = 3;
  double bytesPerSecond = 4;
  repeated Blocker blockers = 5;
  // Whether another worker could go on with this subtask.
  bool movable = 6;
  // The take-over count in the target's fence; 0 while no unit has fenced.
  int64 epoch = 7;
  repeated TableProgress tables = 8;
  string flushedBinlog = 9;
  string flushedBinlogGtid = 10;
}

message DDLLock {
  string ID = 1; string task = 2; string mode = 3; string owner = 4; repeated string DDLs = 5; repeated string synced = 6;
  repeated string unsynced = 7;
}
message ShowDDLLocksRequest { string task = 1; repeated string sources = 2; }
message ShowDDLLocksResponse { bool result = 1; string msg = 2; repeated DDLLock locks = 3; }
message UnlockDDLLockRequest {
  string ID = 1; string replaceOwner = 2; bool forceRemove = 3; UnlockDDLLockOp op = 4; repeated string sources = 5; string database = 6;
  string table = 7;
}
message UnlockDDLLockResponse { bool result = 1; string msg = 2; }

message OperateWorkerRelayRequest { RelayOp op = 1; repeated string sources = 2; }
message OperateWorkerRelayResponse { RelayOp op = 1; bool result = 2; string msg = 3; repeated CommonWorkerResponse sources = 4; }
message PurgeWorkerRelayRequest { repeated string sources = 1; bool inactive = 2; int64 time = 3; string filename = 4; string subDir = 5; }
message PurgeWorkerRelayResponse { bool result = 1; string msg = 2; repeated CommonWorkerResponse sources = 3; }
message PurgeRelayRequest { bool inactive = 1; int64 time = 2; string filename = 3; string subDir = 4; }
message OperateRelayRequest { RelayOpV2 op = 1; string source = 2; repeated string worker = 3; }
message OperateRelayResponse { bool result = 1; string msg = 2; repeated CommonWorkerResponse sources = 3; }

message OperateSourceRequest {
  SourceOp op = 1; repeated string config = 2; repeated string sourceID = 3; string workerName = 4;
  // With UpdateSource: "true" or "false" enables or disables the sources, and lets their tasks run or not.
  string enabled = 1000;
}
message OperateSourceResponse { bool result = 1; string msg = 2; repeated CommonWorkerResponse sources = 3; }
message TransferSourceRequest { string source = 1; string worker = 2; }
message TransferSourceResponse { bool result = 1; string msg = 2; }

message RegisterWorkerRequest { string name = 1; string address = 2; }
message RegisterWorkerResponse { bool result = 1; string msg = 2; bytes secretKey = 3; }
message OfflineMemberRequest { string type = 1; string name = 2; }
message OfflineMemberResponse { bool result = 1; string msg = 2; }
message OperateLeaderRequest { LeaderOp op = 1; }
message OperateLeaderResponse { bool result = 1; string msg = 2; }
message MasterInfo { string name = 1; uint64 memberID = 2; bool alive = 3; repeated string peerURLs = 4; repeated string clientURLs = 5; }
message WorkerInfo { string name = 1; string addr = 2; string stage = 3; string source = 4; }
message ListLeaderMember { string msg = 1; string name = 2; string addr = 3; }
message ListMasterMember { string msg = 1; repeated MasterInfo masters = 2; }
message ListWorkerMember { string msg = 1; repeated WorkerInfo workers = 2; }
message Members { oneof member { ListLeaderMember leader = 1; ListMasterMember master = 2; ListWorkerMember worker = 3; } }
message ListMemberRequest { bool leader = 1; bool master = 2; bool worker = 3; repeated string names = 4; }
message ListMemberResponse { bool result = 1; string msg = 2; repeated Members members = 3; }

message OperateSchemaRequest {
  SchemaOp op = 1; string task = 2; repeated string sources = 3; string database = 4; string table = 5; string schema = 6; bool flush = 7;
  bool sync = 8; bool fromSource = 9; bool fromTarget = 10;
}
message OperateSchemaResponse { bool result = 1; string msg = 2; repeated CommonWorkerResponse sources = 3; }
message OperateWorkerSchemaRequest {
  SchemaOp op = 1; string task = 2; string source = 3; string database = 4; string table = 5; string schema = 6; bool flush = 7;
  bool sync = 8; bool fromSource = 9; bool fromTarget = 10;
}
message HandleErrorRequest { ErrorOp op = 1; string task = 2; repeated string sources = 3; string binlogPos = 4; repeated string sqls = 5; }
message HandleErrorResponse { bool result = 1; string msg = 2; repeated CommonWorkerResponse sources = 3; }
message HandleWorkerErrorRequest { ErrorOp op = 1; string task = 2; string binlogPos = 3; repeated string sqls = 4; }

message GetSubTaskCfgRequest { string name = 1; }
message GetSubTaskCfgResponse { bool result = 1; string msg = 2; repeated string cfgs = 3; }
message GetCfgRequest { CfgType type = 1; string name = 2; }
message GetCfgResponse { bool result = 1; string msg = 2; string cfg = 3; }
message GetMasterCfgRequest {}
message GetMasterCfgResponse { string cfg = 1; }
message GetWorkerCfgRequest {}
message GetWorkerCfgResponse { string cfg = 1; }
message ListTaskConfigsResponse { bool result = 1; string msg = 2; map<string, string> taskConfigs = 3; }
message ListSourceConfigsResponse { bool result = 1; string msg = 2; map<string, string> sourceConfigs = 3; }
message EncryptRequest { string plaintext = 1; }
message EncryptResponse { bool result = 1; string msg = 2; string ciphertext = 3; }
message CheckSubtasksCanUpdateRequest { string subtaskCfgTomlString = 1; }
message CheckSubtasksCanUpdateResponse { bool success = 1; string msg = 2; }
message V1SubTaskMeta { TaskOp op = 1; Stage stage = 2; string name = 3; bytes task = 4; }
message OperateV1MetaRequest { V1MetaOp op = 1; }
message OperateV1MetaResponse { bool result = 1; string msg = 2; map<string, V1SubTaskMeta> meta = 3; }

message StartValidationRequest {
  oneof mode { string mode_value = 1; } oneof startTime { string start_time_value = 2; } repeated string sources = 3; string taskName = 4;
}
message StartValidationResponse { bool result = 1; string msg = 2; repeated CommonWorkerResponse sources = 3; }
message StopValidationRequest { repeated string sources = 1; string taskName = 2; }
message StopValidationResponse { bool result = 1; string msg = 2; repeated CommonWorkerResponse sources = 3; }
message GetValidationStatusRequest { string taskName = 1; Stage filterStatus = 2; }
message ValidationStatus {
  string task = 1; string source = 2; string mode = 3; Stage stage = 4; string validatorBinlog = 5; string validatorBinlogGtid = 6;
  ProcessResult result = 7; string processedRowsStatus = 8; string pendingRowsStatus = 9; string errorRowsStatus = 10;
  string cutoverBinlogPos = 11; string cutoverBinlogGtid = 12;
}
message ValidationTableStatus { string source = 1; string srcTable = 2; string dstTable = 3; Stage stage = 4; string message = 5; }
message GetValidationStatusResponse {
  bool result = 1; string msg = 2; repeated ValidationStatus validators = 3; repeated ValidationTableStatus tableStatuses = 4;
}
message GetValidationErrorRequest { ValidateErrorState errState = 1; string taskName = 2; }
message ValidationError {
  string id = 1; string source = 2; string srcTable = 3; string srcData = 4; string dstTable = 5; string dstData = 6; string errorType = 7;
  ValidateErrorState status = 8; string time = 9; string message = 10;
}
message GetValidationErrorResponse { bool result = 1; string msg = 2; repeated ValidationError error = 3; }
message OperateValidationErrorRequest { ValidationErrOp op = 1; bool isAllError = 2; string taskName = 3; uint64 errId = 4; }
message OperateValidationErrorResponse { bool result = 1; string msg = 2; }
message UpdateValidationRequest { string taskName = 1; repeated string sources = 2; string binlogPos = 3; string binlogGTID = 4; }
message UpdateValidationWorkerRequest { string taskName = 1; string binlogPos = 2; string binlogGTID = 3; }
message UpdateValidationResponse { bool result = 1; string msg = 2; repeated CommonWorkerResponse sources = 3; }
`;
