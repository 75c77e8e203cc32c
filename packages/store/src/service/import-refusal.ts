/**
 * `import_sstpb.ImportSST`, refused in words. A SQL layer that adds an index writes files by it unless it is told not to; it repeats
 * what is refused for minutes and shows the last text to its user, who has to learn from it what to switch off.
 */
import { clientStream, type Implementation, implement, message, RpcError, service, unary } from "@skein/rpc";

/** Fields are passed over: nothing is taken. */
const Anything = message<Readonly<Record<string, never>>>("import_sstpb.Anything", {});

export const importSst = service("import_sstpb.ImportSST", {
  SwitchMode: unary(Anything, Anything),
  Upload: clientStream(Anything, Anything),
  Write: clientStream(Anything, Anything),
  Download: unary(Anything, Anything),
  Ingest: unary(Anything, Anything),
  MultiIngest: unary(Anything, Anything),
});

const refusalText = "this store takes no files: set global tidb_ddl_enable_fast_reorg = off, and indexes are added by transactions";

export function refuseImports(): Implementation {
  const refuse = () => {
    throw new RpcError("unimplemented", refusalText);
  };
  return implement(importSst, {
    SwitchMode: refuse,
    Upload: refuse,
    Write: refuse,
    Download: refuse,
    Ingest: refuse,
    MultiIngest: refuse,
  });
}
