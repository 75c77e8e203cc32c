/** The services of a store's port: `tikvpb.Tikv`, `deadlock.Deadlock`, health. */
import type { World } from "@skein/base";
import { type Handlers, type Implementation, implement } from "@skein/rpc";
import type { WaitEdge } from "../txn/core/wait-graph.ts";
import type { LeaderDetector } from "../txn/deadlock.ts";
import { coprocessor, deadlock, tikvpb } from "../wire/index.ts";
import { type BatchLimits, defaultBatchLimits, serveBatchCommands } from "./batch-commands.ts";
import { type CommandServices, createCommands } from "./commands.ts";
import { serveHealth } from "./health.ts";
import { refuseImports } from "./import-refusal.ts";

export interface TikvServiceOptions extends CommandServices {
  readonly detector: LeaderDetector;
  readonly isServing: () => boolean;
  readonly batchLimits?: Partial<BatchLimits>;
}

export function createTikvServices(world: World, options: TikvServiceOptions): Implementation[] {
  const commands = createCommands(options);
  const limits = { ...defaultBatchLimits, ...options.batchLimits };
  const handlers: Record<string, unknown> = {
    BatchCommands: (call: Parameters<typeof serveBatchCommands>[2]) => serveBatchCommands(world, commands.batch, call, limits),
    CoprocessorStream: (call: { send(message: object): boolean; end(): void }) => ({
      message: () => {
        call.send(coprocessor.Response.complete({ other_error: "the store has no coprocessor" }));
        call.end();
      },
    }),
  };
  for (const [name, command] of commands.unary)
    handlers[name] = (request: object, context: { readonly signal: AbortSignal }) => command(request, () => context.signal);
  return [
    implement(tikvpb.tikv, handlers as Handlers<(typeof tikvpb.tikv)["methods"]>),
    serveDeadlocks(options.detector, () => world.clock.nowMs()),
    serveHealth(["tikvpb.Tikv"], options.isServing),
    refuseImports(),
  ];
}

/** What other stores ask the one that leads the first region. */
function serveDeadlocks(detector: LeaderDetector, nowMs: () => number): Implementation {
  return implement(deadlock.deadlock, {
    GetWaitForEntries: () => ({
      entries: detector.graph.edges().map(({ txn, waitFor, key, keyHash }) => ({ txn, wait_for_txn: waitFor, key, key_hash: keyHash })),
    }),
    Detect: (call) => ({
      message: ({ tp, entry }) => {
        if (entry === null) return;
        const edge: WaitEdge = { txn: entry.txn, waitFor: entry.wait_for_txn, keyHash: entry.key_hash, key: entry.key.slice() };
        if (tp === "CleanUp") detector.graph.removeAll(edge.txn);
        else if (tp === "CleanUpWaitFor") detector.graph.remove(edge);
        else if (tp === "Detect") {
          const found = detector.graph.detect(edge, nowMs());
          if (found === null) return;
          call.send({
            entry,
            deadlock_key_hash: found.keyHash,
            deadlock_key: found.key,
            wait_chain: found.chain.map((each) => ({ txn: each.txn, wait_for_txn: each.waitFor, key: each.key, key_hash: each.keyHash })),
          });
        }
      },
    }),
  });
}
