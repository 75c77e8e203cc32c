import { parseYaml } from "@skein/base";
import { sampleSourceYaml } from "../../config/process-config.ts";
import { sourceShape } from "../../config/shapes.ts";
import { readShape } from "../../config/source-yaml.ts";
import { type Command, SoftFailure, wrongUse } from "../command.ts";
import { fileText } from "../files.ts";

const operations: Readonly<Record<string, string>> = {
  create: "StartSource",
  update: "UpdateSource",
  stop: "StopSource",
  show: "ShowSource",
};

export const operateSource: Command = {
  usage: "operate-source <operate-type> [config-file ...] [-w worker] [--print-sample-config]",
  about: "`create`/`stop`/`show` upstream MySQL/MariaDB source",
  flags: [
    { name: "worker", short: "w", kind: "string", about: "the worker that the new source is bound to" },
    { name: "print-sample-config", short: "p", kind: "bool", about: "print a source.yaml to begin with" },
  ],
  run: async (context) => {
    if (context.flag("print-sample-config") === "true") return context.print(sampleSourceYaml);
    const [type, ...files] = context.args;
    if (type === undefined) wrongUse();
    const op = operations[type];
    if (op === undefined) {
      context.print(`invalid operate '${type}' on worker\n`);
      throw new SoftFailure();
    }
    const given = context.list("source");
    if (op !== "ShowSource" && files.length === 0 && !(op === "StopSource" && given.length > 0)) {
      context.print("operate-source create/stop should specify config-file(s)\n");
      throw new SoftFailure();
    }
    const workerName = context.flag("worker");
    if (op === "StartSource" && files.length > 1 && workerName !== "")
      context.print("operate-source create can't create multiple sources when specify worker\n");

    const config: string[] = [];
    const sourceID: string[] = [...given];
    for (const file of files) {
      // What is stopped or shown may be named by its file or by its id.
      if (op !== "StartSource" && op !== "UpdateSource" && !/\.ya?ml$/.test(file)) {
        sourceID.push(file);
        continue;
      }
      const text = await fileText(context.world, file);
      readShape(sourceShape, text, file, "decode source config");
      if (op === "StopSource" || op === "ShowSource")
        sourceID.push(String((parseYaml(text, file) as { "source-id"?: unknown })["source-id"]));
      else config.push(text);
    }
    context.answer("OperateSource", await context.call("OperateSource", { op, config, sourceID, workerName }));
  },
};

export const transferSource: Command = {
  usage: "transfer-source <source-id> <worker-id>",
  about: "Transfers a upstream MySQL/MariaDB source to a free worker",
  run: async (context) => {
    const [source, worker] = context.args;
    if (context.args.length !== 2) wrongUse();
    context.answer("TransferSource", await context.call("TransferSource", { source, worker }));
  },
};

const relayOperations = {
  "start-relay": { op: "StartRelayV2", about: "Starts workers pulling relay log for a source" },
  "stop-relay": { op: "StopRelayV2", about: "Stops workers pulling relay log for a source" },
} as const;

export const operateRelay: readonly Command[] = Object.entries(relayOperations).map(
  ([name, { op, about }]): Command => ({
    usage: `${name} <-s source-id>`,
    about,
    run: async (context) => {
      const [source] = oneSource(context.list("source"));
      if (context.args.length > 0)
        context.print(`naming workers for ${name} is deprecated: relay follows the worker that the source is bound to\n`);
      context.answer("OperateRelay", await context.call("OperateRelay", { op, source, worker: context.args }));
    },
  }),
);

const relayStages = {
  "pause-relay": { op: "PauseRelay", about: "Pauses DM-worker's relay unit" },
  "resume-relay": { op: "ResumeRelay", about: "Resumes DM-worker's relay unit" },
} as const;

export const operateRelayStage: readonly Command[] = Object.entries(relayStages).map(
  ([name, { op, about }]): Command => ({
    usage: `${name} <-s source ...>`,
    about,
    run: async (context) => {
      const sources = context.list("source");
      if (context.args.length > 0) wrongUse();
      if (sources.length === 0) throw new Error("must specify at least one source (`-s` / `--source`)");
      context.answer("OperateWorkerRelayTask", await context.call("OperateWorkerRelayTask", { op, sources }));
    },
  }),
);

export const purgeRelay: Command = {
  usage: "purge-relay <-s source> <-f filename> [--sub-dir directory]",
  about: "Purges relay log files of the DM-worker according to the specified filename",
  flags: [
    { name: "filename", short: "f", kind: "string", about: 'files before this one are removed, for example "mysql-bin.000006"' },
    { name: "sub-dir", kind: "string", about: "the relay folder of --filename; the newest one unless given" },
  ],
  run: async (context) => {
    if (context.args.length > 0) wrongUse();
    const sources = oneSource(context.list("source"));
    const filename = context.flag("filename").replace(/^['"]|['"]$/g, "");
    if (filename === "")
      throw new Error("must specify the name of the terminal file before which to purge relay log files. (`-f` / `--filename`)");
    const subDir = context.flag("sub-dir");
    if (subDir === "") context.print("[warn] no --sub-dir specify for --filename, the latest one will be used\n");
    context.answer("PurgeWorkerRelay", await context.call("PurgeWorkerRelay", { sources, filename, subDir }));
  },
};

function oneSource(sources: readonly string[]): readonly [string] {
  if (sources.length !== 1) throw new Error(`must specify one source (\`-s\` / \`--source\`), got ${sources.length}`);
  return [sources[0] as string];
}
