/**
 * pd-ctl and HTTP against a placement driver, by a transcript: what scripts of the field expect, word for word. Where this one does
 * something else on purpose, the transcript says what it does: rules of one key in one body are all kept.
 */
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { splitWords, type World } from "@skein/base";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createPdClient } from "../client/index.ts";
import { runPdCtl } from "../control/pd-ctl.ts";
import type { RegionView } from "../core/model.ts";
import type { RegionAction } from "../core/region-action.ts";
import { pdComponents } from "../server/components.ts";
import { Pd } from "../server/pd.ts";
import type { PdServices } from "../server/services.ts";
import { startTestPd, type TestPd, testRegion, testStore } from "../server/testing/pd-harness.ts";
import { labelsFrom, peersText, regionView } from "./testing/model-cluster.ts";

const here = (name: string) => fileURLToPath(new URL(`testing/${name}`, import.meta.url));
let pd: TestPd;
let services: PdServices | null = null;

const stores = [
  ["zone=east", "rack=east-1", "host=30"],
  ["zone=east", "rack=east-2", "host=31"],
  ["zone=west", "rack=west-1", "host=32"],
  ["zone=west", "rack=west-2", "host=33"],
];

async function startPd(): Promise<TestPd> {
  const made = await startTestPd({
    components: () => [
      ...pdComponents(),
      {
        name: "test",
        start: async (given) => {
          services = given;
        },
      },
    ],
  });
  const client = createPdClient(made.world, { endpoints: [made.url] });
  await client.bootstrap(testStore(1, { labels: labelsFrom(stores[0] ?? []) }), testRegion(100, "", "", [1]));
  for (const [index, labels] of stores.entries()) await client.putStore(testStore(index + 1, { labels: labelsFrom(labels) }));
  client.close();
  heartbeat("1* 2 3");
  return made;
}

let confVer = 5;

function heartbeat(peers: string, version = confVer): void {
  if (!(services instanceof Pd)) throw new Error("the placement driver does not serve");
  const region = regionView(peers, { id: 100 });
  services.regionHeartbeat({ ...region, meta: { ...region.meta, epoch: { ...region.meta.epoch, confVer: version } } });
}

/** What the region's leader would make of it. */
function carriedOut(region: RegionView, action: RegionAction): RegionView {
  if (action.kind === "transferLeader") return { ...region, leaderPeerId: action.peer.id, term: region.term + 1 };
  if (action.kind !== "changePeerV2" && action.kind !== "changePeer") throw new Error(`not expected: ${action.kind}`);
  const changes = action.kind === "changePeer" ? [action.change] : action.changes;
  let peers = [...region.meta.peers];
  const isLeaving = changes.length === 0;
  if (isLeaving)
    peers = peers.map((peer) => ({
      ...peer,
      role: peer.role === "incomingVoter" ? "voter" : peer.role === "demotingVoter" ? "learner" : peer.role,
    }));
  for (const { type, peer } of changes) {
    const old = peers.find((each) => each.storeId === peer.storeId);
    peers = peers.filter((each) => each !== old);
    const isJoint = changes.length > 1;
    if (type === "addLearnerNode") peers.push({ ...peer, role: isJoint && old?.role === "voter" ? "demotingVoter" : "learner" });
    else if (type === "addNode") peers.push({ ...peer, role: isJoint ? "incomingVoter" : "voter" });
  }
  const { confVer: before, version } = region.meta.epoch;
  return { ...region, meta: { ...region.meta, peers, epoch: { version, confVer: before + Math.max(1, isLeaving ? 2 : changes.length) } } };
}

beforeAll(async () => {
  pd = await startPd();
});
afterAll(async () => {
  await pd[Symbol.asyncDispose]();
});

/** pd-ctl as if it ran in the test's folder. */
async function control(argv: readonly string[]): Promise<{ readonly out: string; readonly err: string; readonly code: number }> {
  let [out, err] = ["", ""];
  const place = (path: string) => (path.startsWith("/") ? path : join(pd.folder, path));
  const { disk } = pd.world;
  const world: World = {
    ...pd.world,
    disk: {
      open: (path, options) => disk.open(place(path), options),
      readFile: (path, options) => disk.readFile(place(path), options),
      writeFileAtomic: (path, data, options) => disk.writeFileAtomic(place(path), data, options),
      list: (path) => disk.list(place(path)),
      stat: (path) => disk.stat(place(path)),
      makeFolder: (path, options) => disk.makeFolder(place(path), options),
      rename: (from, to) => disk.rename(place(from), place(to)),
      remove: (path, options) => disk.remove(place(path), options),
      syncFolder: (path) => disk.syncFolder(place(path)),
      freeSpace: (path) => disk.freeSpace(place(path)),
    },
  };
  const code = await runPdCtl(world, {
    argv,
    io: {
      stdout: (text) => void (out += text),
      stderr: (text) => void (err += text),
      env: { PD_ADDR: pd.url },
      isTerminal: false,
      lines: async function* () {},
    },
    versionText: "",
    signal: new AbortController().signal,
  });
  return { out, err, code };
}

/** One line of a shell: commands between semicolons, a file to write to, a filter that drops blanks. */
async function shell(line: string): Promise<string> {
  let out = "";
  for (const part of line.split(/;\s*(?=pd-ctl|cat|echo|first)/)) {
    const [command = "", ...filters] = part.split(" | ");
    const [action = "", file] = command.split(" > ");
    const words = splitWords(action) ?? [];
    const path = (name = "") => join(pd.folder, name);
    let text = "";
    if (words[0] === "pd-ctl") text = (await control(words.slice(1))).out;
    else if (words[0] === "cat") text = await readFile(path(words[1]), "utf8");
    else if (words[0] === "echo") text = `${words[1]}\n`;
    else if (words[0] === "first") text = JSON.stringify((JSON.parse(await readFile(path(words[1]), "utf8")) as unknown[])[0]);
    else throw new Error(`the shell knows no ${words[0]}`);
    if (filters.some((filter) => filter.startsWith("tr -d"))) text = text.replace(/[ \n]/g, "");
    if (file === undefined) out += text;
    else await writeFile(path(file), text);
  }
  return out;
}

async function ask(line: string): Promise<string> {
  const match = /^(GET|POST|DELETE) \/pd\/api\/v1(\S+)(?: {2}body: (.*))?$/.exec(line);
  if (match === null) throw new Error(`not a request: ${line}`);
  const [, method = "", path = "", body] = match;
  const answer = await pd.http(method, path, body ?? (method === "POST" ? "" : undefined));
  return `${answer.status} ${answer.type.replace("utf-8", "UTF-8")}\n${answer.text}`;
}

const plain = (text: string) =>
  text
    .replace(/("create_timestamp":\s*)\d+/g, "$11")
    .replace(/[ \t]+$/gm, "")
    .trimEnd();

test("the transcript", async () => {
  await writeFile(join(pd.folder, "rule.json"), (await readFile(here("rule.json"), "utf8")).trimEnd() + "\n");
  const transcript = await readFile(here("transcript.txt"), "utf8");
  const blocks = transcript.split(/\n\n(?=\$ |## )/);
  const done: string[] = [];
  for (const block of blocks) {
    const [head = ""] = block.split("\n");
    if (!head.startsWith("$ ")) {
      done.push(block.trimEnd());
      continue;
    }
    const line = head.slice(2);
    const text = /^(GET|POST|DELETE) /.test(line) ? await ask(line) : await shell(line);
    done.push(`${head}\n${text}`.trimEnd());
  }
  const actual = `${done.join("\n\n")}\n`;
  if (process.env["UPDATE"] === "1") await writeFile(here("transcript.txt"), plain(actual) + "\n");
  else expect(plain(actual)).toBe(plain(transcript));
});

describe("the two-centre document", () => {
  test("its rule file is kept whole; the second rule of one name is told on stderr and in the answer", async () => {
    const saved = await control(["config", "placement-rules", "rule-bundle", "save", "--in=rule.json"]);
    expect(saved).toEqual({
      out: '"Update rules and groups successfully."\n\n',
      err: "warning: rule pd/zone-west stands more than once in one file: the one with role learner and count 1 is kept as pd/zone-west-2\n",
      code: 0,
    });
    const body = await readFile(here("rule.json"), "utf8");
    const answer = await fetch(`${pd.url}/pd/api/v1/config/placement-rule`, { method: "POST", body });
    expect(answer.headers.get("warning")).toMatch(/^299 - "rule pd\/zone-west stands more than once/);
    expect((await answer.text()).trim()).toBe('"Update rules and groups successfully."');
  });

  test("why a region is as it is, and what a dry run tells, changing nothing", async () => {
    const why = await control(["region", "100", "--why"]);
    expect(why.out).toContain("pd/zone-west-2: 1 learner with zone in [west]: 0 of 1");
    const before = await control(["config", "placement-rules", "show"]);
    await writeFile(join(pd.folder, "default.json"), await readFile(here("default.json"), "utf8"));
    const run = await control(["config", "placement-rules", "rule-bundle", "save", "--in=default.json", "--dry-run"]);
    expect(run.out).toContain("Dry run: nothing was changed.");
    expect(run.out).toContain("pd/default: 3 voters");
    expect(run.out).toContain("0 of 1 regions would change");
    expect(await control(["config", "placement-rules", "show"])).toEqual(before);
    const group = await control(["config", "placement-rules", "rule-group", "set", "pd", "5", "true", "--dry-run"]);
    expect(group.out).toContain("Regions that survive the loss of:");
    const nowhere = [
      { group_id: "pd", id: "x", role: "voter", count: 1, label_constraints: [{ key: "zone", op: "in", values: ["south"] }] },
    ];
    await writeFile(join(pd.folder, "south.json"), JSON.stringify(nowhere));
    const refused = await control(["config", "placement-rules", "save", "--in=south.json", "--dry-run"]);
    expect(refused.out).toContain("The rules would be refused: [400]");
  });

  test("the region gets two voters in the east, a voter and a learner in the west", async () => {
    if (!(services instanceof Pd)) throw new Error("the placement driver does not serve");
    const client = createPdClient(pd.world, { endpoints: [pd.url] });
    for (const start of ["1* 3 4", "1* 2 3"]) {
      let region = regionView(start, { id: 100 });
      const version = region.meta.epoch.version;
      region = { ...region, meta: { ...region.meta, epoch: { version, confVer: confVer + 1 } } };
      for (let beat = 0; beat < 2000 && peersText(region) !== "1* 2 3 4:learner"; beat++) {
        for (const id of [1, 2, 3, 4])
          await client.storeHeartbeat({ stats: { store_id: id, capacity: 100 * 2 ** 30, available: 90 * 2 ** 30 } });
        const action = services.regionHeartbeat(region);
        if (action !== null) region = carriedOut(region, action);
        else await pd.world.clock.sleep(10);
      }
      confVer = region.meta.epoch.confVer;
      expect(peersText(region)).toBe("1* 2 3 4:learner");
      services.regionHeartbeat(region);
    }
    client.close();
    expect((await control(["region", "100", "--why"])).out).toContain("All rules are met.");
    expect((await pd.http("GET", "/regions/replicated?startKey=&endKey=")).text.trim()).toBe('"REPLICATED"');
  });

  test("a file of more rules than one transaction takes replaces another, and outlives a restart", async () => {
    const before = (await pd.http("GET", "/config/placement-rule")).text;
    const bundle = (prefix: string, count: number) => ({
      group_id: "pd",
      rules: Array.from({ length: count }, (_, index) => ({ id: `${prefix}${index}`, role: index === 0 ? "voter" : "learner", count: 1 })),
    });
    for (const [prefix, count] of [
      ["a", 150],
      ["b", 230],
    ] as const) {
      expect((await pd.http("POST", "/config/placement-rule", JSON.stringify([bundle(prefix, count)]))).status).toBe(200);
      await pd.restart();
      const rules = JSON.parse((await pd.http("GET", "/config/rules")).text) as readonly { readonly id: string }[];
      expect(rules.map(({ id }) => id.slice(0, 1)).join("")).toBe(prefix.repeat(count));
    }
    expect((await pd.http("POST", "/config/placement-rule", before)).status).toBe(200);
    heartbeat("1* 2 3 4:learner", confVer + 9);
  });

  test("rules, groups and labels of ranges outlive a restart", async () => {
    await control(["config", "placement-rules", "rule-group", "set", "g9", "7", "true"]);
    const rule = {
      id: "quiet",
      labels: [{ key: "schedule", value: "deny" }],
      rule_type: "key-range",
      data: [{ start_key: "", end_key: "" }],
    };
    expect((await pd.http("POST", "/config/region-label/rule", JSON.stringify(rule))).text.trim()).toBe(
      '"Update region label rule successfully."',
    );
    const before = await Promise.all(
      ["/config/placement-rule", "/config/rule_groups", "/config/region-label/rules"].map((path) => pd.http("GET", path)),
    );
    await pd.restart();
    const after = await Promise.all(
      ["/config/placement-rule", "/config/rule_groups", "/config/region-label/rules"].map((path) => pd.http("GET", path)),
    );
    expect(after).toEqual(before);
    heartbeat("1* 2 3 4:learner", confVer + 10);
    expect((await pd.http("GET", "/region/id/100/label/schedule")).text.trim()).toBe('"deny"');
    expect((await control(["region", "100", "--why"])).out).toContain("schedule=deny");
    expect((await pd.http("DELETE", "/config/region-label/rule/quiet")).status).toBe(200);
    expect((await pd.http("GET", "/config/region-label/rule/quiet")).status).toBe(404);
    expect((await pd.http("POST", "/config/region-label/rule", "{}")).status).toBe(400);
  });
});
