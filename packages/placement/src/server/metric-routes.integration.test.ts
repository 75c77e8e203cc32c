/** Questions for metrics go to the storage that the configuration names, and come back as it answered. */
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startTestPd, type TestPd } from "./testing/pd-harness.ts";

let pd: TestPd;
let storage: Server;
const asked: string[] = [];
beforeAll(async () => {
  pd = await startTestPd();
  storage = createServer((request, response) => {
    let body = "";
    request.on("data", (chunk: Buffer) => (body += chunk.toString("utf8")));
    request.on("end", () => {
      asked.push(`${request.method} ${request.url} ${body}`);
      response.writeHead(422, { "content-type": "application/json" });
      response.end('{"status":"error"}');
    });
  });
  await new Promise<void>((resolve) => storage.listen(0, "127.0.0.1", resolve));
});
afterAll(async () => {
  storage.close();
  await pd[Symbol.asyncDispose]();
});

test("without a storage the answer says how to name one; a wrong one is told", async () => {
  const none = await pd.http("GET", "/metric/query?query=up");
  expect([none.status, none.text]).toEqual([500, expect.stringContaining("pd-ctl config set metric-storage")]);
  expect((await pd.http("POST", "/config", '{"metric-storage":"nowhere"}')).status).toBe(200);
  const wrong = await pd.http("GET", "/metric/query?query=up");
  expect([wrong.status, wrong.text]).toEqual([500, expect.stringContaining("it is no http:// address")]);
});

test("question, body, status and answer go through", async () => {
  const { port } = storage.address() as AddressInfo;
  await pd.http("POST", "/config", JSON.stringify({ "pd-server.metric-storage": `http://127.0.0.1:${port}/prometheus/` }));
  const answer = await pd.http("GET", "/metric/query_range?query=up%7Ba%3D%22b%22%7D&step=15");
  expect(answer).toEqual({ status: 422, type: "application/json", text: '{"status":"error"}' });
  await pd.http("POST", "/metric/query", "query=up", { "content-type": "application/x-www-form-urlencoded" });
  expect(asked).toEqual([
    "GET /prometheus/api/v1/query_range?query=up%7Ba%3D%22b%22%7D&step=15 ",
    "POST /prometheus/api/v1/query query=up",
  ]);
});
