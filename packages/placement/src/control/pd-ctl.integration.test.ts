/** pd-ctl and HTTP against a real placement driver with stores that only report: outputs and exit codes, word for word (`testing/*.txt`). */
import { fileURLToPath } from "node:url";
import { runScenario, scenarioFiles, updateScenarios } from "@skein/sim";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createPdClient } from "../client/index.ts";
import { regionView } from "../core/testing/views.ts";
import { pdComponents } from "../server/components.ts";
import { Pd } from "../server/pd.ts";
import type { PdServices } from "../server/services.ts";
import { startTestPd, type TestPd, testRegion, testStore } from "../server/testing/pd-harness.ts";
import { runPdCtl } from "./pd-ctl.ts";

const gib = 1024 ** 3;
const labels = [
  ["east", "east-1", "30"],
  ["east", "east-2", "31"],
  ["west", "west-1", "32"],
  ["west", "west-2", "33"],
  ["west", "west-3", "34"],
  ["west", "west-4", "35"],
] as const;

interface Running {
  readonly pd: TestPd;
  services: PdServices | null;
}

async function start(): Promise<Running> {
  const running: { pd: TestPd; services: PdServices | null } = { pd: null as unknown as TestPd, services: null };
  running.pd = await startTestPd({
    components: () => [
      ...pdComponents(),
      {
        name: "test",
        start: async (given) => {
          running.services = given;
        },
      },
    ],
  });
  return running;
}

async function bootstrap(running: Running): Promise<void> {
  const { pd } = running;
  const client = createPdClient(pd.world, { endpoints: [pd.url] });
  const store = (id: number) => {
    const [zone, rack, host] = labels[id - 1] as (typeof labels)[number];
    return testStore(id, {
      labels: [
        { key: "zone", value: zone },
        { key: "rack", value: rack },
        { key: "host", value: host },
      ],
      startTimestampS: Math.floor(pd.world.clock.nowMs() / 1000) - 60,
    });
  };
  await client.bootstrap(store(1), testRegion(90, "", "", [1]));
  // Nothing moves by itself: the transcript does all.
  await pd.http("POST", "/config", '{"halt-scheduling":"true"}');
  for (let id = 1; id <= 6; id++) {
    await client.putStore(store(id));
    const stats = { store_id: id, capacity: 100 * gib, available: 90 * gib, used_size: 10 * gib, region_count: 4 };
    await client.storeHeartbeat({ stats });
  }
  client.close();
  const keys = ["", "k00000001", "k00000002", "k00000003", ""];
  const leaders = [1, 2, 3, 1];
  for (let index = 0; index < 4; index++) {
    const id = 100 + index;
    const meta = testRegion(id, keys[index] as string, keys[index + 1] as string, [1, 2, 3], { epoch: { confVer: 5, version: 2 } });
    const peers = meta.peers.map((peer) => ({ ...peer, id: id * 10 + peer.storeId }));
    const leaderPeerId = id * 10 + (leaders[index] as number);
    const region = regionView({ ...meta, peers }, { leaderPeerId, approximateSize: 20, approximateKeys: 10_000, intervalS: 10 });
    if (!(running.services instanceof Pd)) throw new Error("the placement driver does not serve");
    running.services.regionHeartbeat(region);
  }
}

async function control(pd: TestPd, argv: readonly string[], input: readonly string[] = []): Promise<string> {
  let out = "";
  const code = await runPdCtl(pd.world, {
    argv,
    io: {
      stdout: (text) => {
        out += text;
      },
      stderr: (text) => {
        out += text.replace(/^/gm, "[stderr] ").replace(/\[stderr\] $/, "");
      },
      env: { PD_ADDR: pd.url },
      isTerminal: false,
      lines: async function* () {
        yield* input;
      },
    },
    signal: new AbortController().signal,
    versionText: "v\n",
  });
  return code === 0 ? out : `${out}[exit ${code}]\n`;
}

/** What differs from run to run. */
function steady(text: string, { url, folder }: TestPd): string {
  return text
    .replaceAll(url, "http://PD")
    .replaceAll(folder, "FOLDER")
    .replace(/\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d+)? \+0000 UTC m=\+\d+\.\d+/g, "TIME")
    .replace(/0001-01-01 00:00:00 \+0000 UTC/g, "NEVER")
    .replace(/"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z"/g, '"TIME"')
    .replace(/("(?:start_timestamp|last_heartbeat|timestamp|created_at|state_changed_at)": )\d+/g, "$1N")
    .replace(/("end": )\d{10}/g, "$1N")
    .replace(/("uptime": )"[^"]+"/g, '$1"DURATION"')
    .replace(/duration:[^)]+\)/g, "duration:D)")
    .replace(/(time: )\S+(µs|ms|s)/g, "$1D")
    .replace(/peer (?:9\d|1\d\d|2\d\d) on/g, "peer NEW on")
    .replace(/127\.0\.0\.1:2\d{4}/g, "ADDRESS")
    .replace(/(ECONNREFUSED )\S+/g, "$1ADDRESS");
}

describe.each(scenarioFiles(fileURLToPath(new URL("testing", import.meta.url))))("$name", ({ name, text, update }) => {
  let running: Running;
  beforeAll(async () => {
    running = await start();
    if (!name.startsWith("before-bootstrap")) {
      await bootstrap(running);
      // Schedulers exist some seconds after the cluster is there.
      while ((await running.pd.http("GET", "/schedulers")).text === "[]\n") await running.pd.world.clock.sleep(50);
    }
  }, 30_000);
  afterAll(async () => running.pd[Symbol.asyncDispose]());

  test("transcript", async () => {
    const { pd } = running;
    const words = (args: readonly string[]) => args.map((word) => word.replace(/^(--[\w-]+=)?["'](.*)["']$/, "$1$2"));
    const { actual, expected } = await runScenario(text, async ({ command, args, input }) => {
      if (command === "pd-ctl") return steady(await control(pd, words(args), input === "" ? [] : input.split("\n")), pd);
      // `until <word> pd-ctl …`: what a scheduler says of itself follows with its next turn.
      if (command === "until") {
        for (;;) {
          const told = await control(pd, words(args.slice(2)));
          if (told.includes(args[0] as string)) return steady(told, pd);
          await pd.world.clock.sleep(50);
        }
      }
      const answer = await pd.http(command, args[0] as string, input === "" ? undefined : input);
      return steady(`${answer.status} ${answer.type}\n${answer.text}`, pd);
    });
    if (updateScenarios) update(actual);
    else expect(actual).toBe(expected);
  }, 30_000);
});
