import { nodeWorld } from "@skein/base";
import { type DatabaseServer, startMariadb, startMysql, whyNotDatabase } from "@skein/servers";
import { seeds } from "@skein/sim";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { migrateAndCompare } from "./migrate.ts";

const world = nodeWorld();
const servers: Record<string, DatabaseServer> = {};

beforeAll(async () => {
  expect(await whyNotDatabase(world, "mariadb")).toBeNull();
  expect(await whyNotDatabase(world, "mysql")).toBeNull();
  [servers["mariadb"], servers["mariadb target"], servers["mysql"], servers["mysql target"]] = await Promise.all([
    startMariadb(world),
    startMariadb(world),
    startMysql(world),
    startMysql(world),
  ]);
}, 180_000);
afterAll(async () => {
  await Promise.all(Object.values(servers).map((server) => server.stop()));
});

const routes = [
  { name: "MariaDB to MariaDB", source: "mariadb", target: "mariadb target", flavor: "mariadb", fixed: 3, fresh: 0.2 },
  { name: "MySQL to MySQL", source: "mysql", target: "mysql target", flavor: "mysql", fixed: 1, fresh: 0.2 },
] as const;

describe.each(routes)("random schemas and work, $name: equal row by row", ({ source, target, flavor, fixed, fresh }) => {
  test.each(seeds({ fixed, fresh }))("seed %i", async (seed) => {
    await migrateAndCompare({
      seed,
      source: servers[source] as DatabaseServer,
      target: servers[target] as DatabaseServer,
      flavor,
      transactions: 150,
    });
  });
});

describe("a worker is killed again and again while rows are copied and changes applied", () => {
  test.each(seeds({ fixed: 2, fresh: 0.2 }))("seed %i", async (seed) => {
    await migrateAndCompare({
      seed: seed + 50_000_000,
      source: servers["mariadb"] as DatabaseServer,
      target: servers["mariadb target"] as DatabaseServer,
      flavor: "mariadb",
      transactions: 250,
      initialRowsMax: 3000,
      harmSteps: 4,
      harm: async (cluster, random) => {
        const worker = random.pick(cluster.workers);
        await worker.kill("SIGKILL");
        worker.restart();
      },
    });
  });
});
