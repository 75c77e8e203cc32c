import { type LogLevel, nodeWorld } from "@skein/base";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startStatusServer } from "./status-server.ts";

let level: LogLevel = "info";
let server: Awaited<ReturnType<typeof startStatusServer>>;

beforeAll(async () => {
  server = await startStatusServer(nodeWorld(), {
    host: "127.0.0.1",
    port: 0,
    pages: {
      metrics: () => Promise.resolve({ type: "text/plain", body: "a 1\n" }),
      config: () => ({ log: { level } }),
      region: (id) => (id === 2 ? { id } : null),
      notServing: () => "it starts",
      setLogLevel: (wanted) => (level = wanted),
      debug: () => ({ maxTs: 2n ** 60n }),
    },
  });
});
afterAll(() => server.close());

const ask = async (method: string, path: string, body?: string): Promise<[number, string]> => {
  const answer = await fetch(`http://127.0.0.1:${server.port}${path}`, { method, ...(body === undefined ? {} : { body }) });
  return [answer.status, await answer.text()];
};

test("pages say what there is, and why the store does not serve", async () => {
  expect(await ask("GET", "/status")).toEqual([200, ""]);
  expect(await ask("GET", "/ready")).toEqual([500, "not serving: it starts\n"]);
  expect(await ask("GET", "/metrics")).toEqual([200, "a 1\n"]);
  expect((await ask("GET", "/region/2"))[0]).toBe(200);
  expect((await ask("GET", "/region/3"))[0]).toBe(404);
  expect((await ask("GET", "/nothing"))[0]).toBe(404);
  expect((await ask("DELETE", "/config"))[0]).toBe(405);
  expect(JSON.parse((await ask("GET", "/debug/state"))[1])).toEqual({ maxTs: String(2n ** 60n) });
});

test("the log level is changed by either path; nothing else is, and that is said", async () => {
  expect(await ask("PUT", "/log-level", `{"log_level":"debug"}`)).toEqual([200, ""]);
  expect(level).toBe("debug");
  expect(await ask("POST", "/config", `{"log.level":"warning"}`)).toEqual([200, ""]);
  expect(level).toBe("warn");
  for (const body of [`{"log_level":"loud"}`, "[]", "", "{", "x".repeat(100_000)])
    expect((await ask("PUT", "/log-level", body))[0]).toBe(400);
  const [status, text] = await ask("POST", "/config", `{"log.level":"info","raftstore.prevote":false}`);
  expect([status, text]).toEqual([400, expect.stringContaining("raftstore.prevote: only log.level is changed")]);
  expect(level).toBe("warn");
});

test("profiles are as Chrome's tools read them, one at a time", async () => {
  const [cpu, second] = await Promise.all([ask("GET", "/debug/pprof/profile?seconds=1"), ask("GET", "/debug/pprof/heap?seconds=1")]);
  expect([cpu[0], second[0]].sort((a, b) => a - b)).toEqual([200, 429]);
  const [status, heap] = await ask("GET", "/debug/pprof/heap?seconds=1");
  expect([status, Object.keys(JSON.parse(heap) as object)]).toEqual([200, expect.arrayContaining(["head"])]);
  expect((await ask("GET", "/debug/pprof/profile?seconds=0"))[0]).toBe(400);
});
