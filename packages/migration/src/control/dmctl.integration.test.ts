import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { nodeWorld } from "@skein/base";
import { createServer, type Message, type RpcServer } from "@skein/rpc";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { masterWire } from "../wire/wire.ts";
import { runDmctl } from "./dmctl.ts";

const world = nodeWorld();
let folder: string;
let server: RpcServer;
let address: string;
let asked: { readonly method: string; readonly request: Message }[] = [];
let answers: Record<string, Message | Error> = {};

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "skein-dmctl-"));
  const unary = Object.fromEntries(
    [...masterWire.methods.keys()].map((method) => [
      method,
      async (request: Message) => {
        asked.push({ method, request });
        const answer = answers[method] ?? { result: true };
        if (answer instanceof Error) throw answer;
        return answer;
      },
    ]),
  );
  server = await createServer(world, { host: "127.0.0.1", port: 0, services: [{ service: masterWire, unary }] });
  address = `127.0.0.1:${server.port}`;
});
afterAll(async () => {
  await server.close();
  await rm(folder, { recursive: true, force: true });
});
beforeEach(() => {
  asked = [];
  answers = {};
});

async function dmctl(argv: readonly string[], lines: readonly string[] = [], env: Record<string, string> = { DM_MASTER_ADDR: address }) {
  let stdout = "";
  let stderr = "";
  const code = await runDmctl(world, {
    argv,
    signal: new AbortController().signal,
    versionText: "Release Version: x\n",
    io: {
      stdout: (text) => (stdout += text),
      stderr: (text) => (stderr += text),
      env,
      lines: async function* () {
        yield* lines;
      },
    },
  });
  return { code, stdout, stderr };
}

async function file(name: string, text: string): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, text);
  return path;
}

const taskText = `
name: t1
task-mode: all
target-database: {host: 127.0.0.1, port: 4000, user: root, password: ""}
mysql-instances: [{source-id: s1}]
`;

describe("dmctl", () => {
  test("prints an answer as JSON with exit code 0, whatever it says", async () => {
    answers["QueryStatus"] = { result: false, msg: "task nope has no source or not exist" };
    expect(await dmctl(["query-status", "nope"])).toEqual({
      code: 0,
      stderr: "",
      stdout: '{\n    "result": false,\n    "msg": "task nope has no source or not exist",\n    "sources": [\n    ]\n}\n',
    });
    expect(asked).toEqual([{ method: "QueryStatus", request: { name: "nope", sources: [] } }]);
  });

  test("takes the first master that accepts", async () => {
    expect((await dmctl(["-master-addr=127.0.0.1:1,http://" + address, "query-status"])).stdout).toContain('"tasks": []');
    const config = await file("ctl.toml", `master-addr = "${address}"\nfoo = 1\n`);
    expect((await dmctl(["--config", config, "query-status"], [], {})).code).toBe(0);
  });

  test.each([
    [["query-status"], {}, "Error: --master-addr not provided"],
    [["query-status"], { DM_MASTER_ADDR: "abc" }, "Error: specify master addr abc: address abc: missing port in address\n"],
    [
      ["query-status"],
      { DM_MASTER_ADDR: "127.0.0.1:1" },
      "Error: [code=48001:class=dmctl:scope=internal:level=high], Message: can't connect to 127.0.0.1:1",
    ],
    [
      ["--config", "nofile.toml", "query-status"],
      {},
      "Error: the current command parameter: --config is invalid or used incorrectly: open nofile.toml: no such file or directory\n",
    ],
    [["foo"], {}, 'Error: unknown command "foo" for "dmctl"\nRun \'dmctl --help\' for usage.\n'],
    [["start-task", "nofile.yaml"], {}, "Error: error in get file content: open nofile.yaml: no such file or directory\n"],
  ])("%j with %j ends with 1", async (argv, env, text) => {
    const { code, stderr } = await dmctl(argv, [], env);
    expect(stderr).toContain(text);
    expect(code).toBe(1);
    expect(asked).toEqual([]);
  });

  test.each([
    [["operate-source"], "Usage:\n  dmctl operate-source"],
    [["operate-source", "create"], "operate-source create/stop should specify config-file(s)\n"],
    [["operate-source", "foo", "x.yaml"], "invalid operate 'foo' on worker\n"],
    [["operate-leader", "foo"], "invalid operate 'foo' on leader\n"],
    [["pause-task"], "must give one source-name when task-name/task-conf is not specified\nUsage:"],
    [["stop-task", "-s", "a,b"], "can give only one source-name when task-name/task-conf is not specified\nUsage:"],
    [["start-task", "a", "b"], "Usage:\n  dmctl start-task"],
    [["validation", "start"], "either `task-name` or `all-task` should be set\nUsage:"],
  ])("%j prints what is wrong and ends with 1", async (argv, text) => {
    const { code, stdout, stderr } = await dmctl(argv);
    expect({ code, stderr }).toEqual({ code: 1, stderr: "Error: please check output to see error\n" });
    expect(stdout.startsWith(text)).toBe(true);
  });

  test.each([["binlog"], ["config"], ["config", "task"], ["encrypt"], ["binlog", "replace", "t1"], ["validation"], ["help", "config"]])(
    "%j %j prints help and ends with 0",
    async (...argv) => {
      const { code, stdout } = await dmctl(argv);
      expect(code).toBe(0);
      expect(stdout).toContain("Usage:");
    },
  );

  test("reads a task file before anything is asked", async () => {
    const bad = await file("bad.yaml", `${taskText}foo: 1\n`);
    const { code, stderr } = await dmctl(["start-task", bad]);
    expect(code).toBe(1);
    expect(stderr).toContain("Error: [code=20003:class=config");
    expect(asked).toEqual([]);
    const good = await file("good.yaml", taskText);
    answers["StartTask"] = { result: true, checkResult: "pre-check is passed. ", sources: [{ result: true, source: "s1", worker: "w1" }] };
    const started = await dmctl(["start-task", good, "--remove-meta", "-s", "s1"]);
    expect(started.stdout).toContain('"checkResult": "pre-check is passed. "');
    expect(asked[0]?.request).toMatchObject({ task: taskText, removeMeta: true, sources: ["s1"] });
    answers["OperateTask"] = { op: "Pause", result: true };
    expect((await dmctl(["pause-task", good])).stdout).toContain('"op": "Pause"');
    expect(asked.at(-1)?.request).toMatchObject({ op: "Pause", name: "t1" });
  });

  test("operates all tasks of one source", async () => {
    const subtask = (name: string) => ({ name, stage: "Running", unit: "Sync" });
    answers["QueryStatus"] = { result: true, sources: [{ result: true, subTaskStatus: [subtask("t2"), subtask("t1")] }] };
    answers["OperateTask"] = { op: "Resume", result: true, sources: [{ result: true, source: "s1", worker: "w1" }] };
    const { stdout } = await dmctl(["resume-task", "-s", "s1", "--batch-size", "1"]);
    expect(JSON.parse(stdout)).toEqual({
      result: true,
      msg: "",
      tasks: ["t1", "t2"].map((task) => ({
        task,
        op: "Resume",
        result: true,
        msg: "",
        sources: [{ result: true, msg: "", source: "s1", worker: "w1" }],
      })),
    });
    answers["QueryStatus"] = { result: false, msg: "sources [nope] haven't been added" };
    expect((await dmctl(["pause-task", "-s", "nope"])).stdout).toContain('"tasks": []');
  });

  test("a failing offline-member is text, not JSON", async () => {
    answers["OfflineMember"] = { result: false, msg: "[code=46005] still online" };
    expect(await dmctl(["offline-member", "--worker", "--name", "w1"])).toEqual({
      code: 1,
      stdout: "offline member failed:\n[code=46005] still online\n",
      stderr: "Error: please check output to see error\n",
    });
  });

  test("what the master refuses as a whole goes to stderr", async () => {
    answers["QueryStatus"] = new Error("[code=38043:class=dm-master] no leader");
    expect(await dmctl(["query-status"])).toEqual({ code: 1, stdout: "", stderr: "Error: [code=38043:class=dm-master] no leader\n" });
  });

  test("exports all configs and imports them again", async () => {
    answers["ListSourceConfigs"] = { result: true, sourceConfigs: { s1: "source-id: s1\n" } };
    answers["ListTaskConfigs"] = { result: true, taskConfigs: { t1: taskText } };
    answers["ListMember"] = { result: true, members: [{ worker: { workers: [{ name: "w1", stage: "relay", source: "s1" }] } }] };
    const path = join(folder, "configs");
    expect((await dmctl(["config", "export", "-p", path])).stdout).toBe(`export configs to directory \`${path}\` succeed\n`);
    expect((await world.disk.list(path)).sort()).toEqual(["relay_workers.json", "sources", "tasks"]);

    answers["OperateSource"] = { result: false, msg: "[code=46007] source config with ID s1 already exists" };
    const imported = await dmctl(["config", "import", "-p", path]);
    expect(imported.stderr).toBe("");
    expect(imported.stdout).toContain("start creating sources\n");
    expect(imported.stdout).toContain("Currently DM doesn't support recover relay workers.");
    expect(imported.stdout.endsWith(`import configs from directory \`${path}\` succeed\n`)).toBe(true);
    expect(asked.at(-1)).toMatchObject({ method: "StartTask", request: { task: taskText } });

    answers["StartTask"] = { result: false, checkResult: "[code=26005] check was failed" };
    const refused = await dmctl(["config", "import", "-p", path]);
    expect(refused.code).toBe(1);
    expect(refused.stderr).toContain("[code=26005] check was failed");
    expect((await dmctl(["config", "import", "-p", join(folder, "nodir")])).stderr).toBe(
      `Error: config directory \`${join(folder, "nodir")}\` not exists\n`,
    );
  });

  test("does not write a name that would leave the folder", async () => {
    answers["ListTaskConfigs"] = { result: true, taskConfigs: { "../../evil": "x" } };
    const { code, stderr } = await dmctl(["config", "export", "-p", join(folder, "evil")]);
    expect({ code, stderr }).toEqual({ code: 1, stderr: "Error: the name `../../evil` cannot be a file's name\n" });
  });

  test("encrypt prints the text alone", async () => {
    answers["Encrypt"] = { result: true, ciphertext: "izQFLtbK" };
    expect((await dmctl(["encrypt", "secret"])).stdout).toBe("izQFLtbK\n");
  });

  test("the loop goes on after a wrong line, and ends with exit", async () => {
    const { code, stdout, stderr } = await dmctl([], ["foo", "query-status", "", "pause-task 'x", "exit", "query-status never"]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(stdout).toBe(
      [
        'fail to run: [foo]\nError: unknown command "foo" for "dmctl"\nRun \'dmctl --help\' for usage.\n',
        '{\n    "result": true,\n    "msg": "",\n    "tasks": []\n}\n',
        "Error: a quote is not closed\n",
      ].join(""),
    );
  });
});
