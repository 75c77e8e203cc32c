import { tmpdir } from "node:os";
import { join } from "node:path";
import { nodeWorld } from "@skein/base";
import { describe, expect, test } from "vitest";
import { type DatabaseServer, type DatabaseServerOptions, makePrivateFolder, startEtcd, startMariadb, startMysql } from "./index.ts";

const world = nodeWorld();

const families: readonly [string, (options: DatabaseServerOptions) => Promise<DatabaseServer>, RegExp][] = [
  ["MariaDB", (options) => startMariadb(world, options), /MariaDB/],
  ["MariaDB 11", (options) => startMariadb(world, { ...options, release: "mariadb-11" }), /^11\..*MariaDB/],
  ["MySQL 8", (options) => startMysql(world, { ...options, release: "mysql-8" }), /^8\./],
  ["MySQL 9", (options) => startMysql(world, { ...options, release: "mysql-9" }), /^9\./],
];

describe.each(families)("%s", (_name, start, version) => {
  test("starts on its own port, keeps its data over kill and restart, and leaves nothing behind", async () => {
    const server = await start({ gtid: true, settings: { max_connections: "77" } });
    const { dataFolder, port, pid } = server;
    try {
      expect(server.version).toMatch(version);
      expect(await server.sql("SELECT @@log_bin b, @@binlog_format f, @@max_connections m")).toEqual([{ b: "1", f: "ROW", m: "77" }]);
      await server.sql("CREATE DATABASE d; CREATE TABLE d.t (a INT PRIMARY KEY, b TEXT); INSERT INTO d.t VALUES (1, 'ä'), (2, NULL)");
      await server.kill("SIGKILL");
      expect(server.isRunning).toBe(false);
      await server.restart();
      expect(server.pid).not.toBe(pid);
      expect(server.port).toBe(port);
      expect(await server.sql("SELECT * FROM d.t ORDER BY a")).toEqual([
        { a: "1", b: "ä" },
        { a: "2", b: null },
      ]);
      expect(await server.sql("SELECT COUNT(*) n FROM mysql.user WHERE user = ''")).toEqual([{ n: "0" }]);
    } finally {
      await server[Symbol.asyncDispose]();
    }
    expect(await world.disk.stat(dataFolder)).toBeNull();
  });

  test("a start that fails shows the end of the server's log", async () => {
    const error: unknown = await start({ settings: { "no-such-setting": "1" } }).catch((thrown: unknown) => thrown);
    expect(String(error)).toMatch(/code=90002.*no-such-setting/s);
  });
});

test("folders of a process that was killed are removed by the next one, those of the living stay", async () => {
  const child = world.processes.spawn("sleep", ["100"]);
  const name = (pid: number) => join(tmpdir(), `skein-test-${pid}-0123456789ab`);
  await world.disk.makeFolder(name(child.pid));
  await world.disk.remove(await makePrivateFolder(world, "test"), { recursive: true });
  expect(await world.disk.stat(name(child.pid))).not.toBeNull();
  child.kill("SIGKILL");
  await child.exited;
  const own = await makePrivateFolder(world, "test");
  expect(await world.disk.stat(name(child.pid))).toBeNull();
  expect(await world.disk.stat(own)).not.toBeNull();
  await world.disk.remove(own, { recursive: true });
});

test("etcd starts, is killed and comes back", async () => {
  await using server = await startEtcd(world);
  expect(server.clientUrl).toBe(`http://127.0.0.1:${server.port}`);
  await server.kill("SIGKILL");
  await server.restart();
  expect(server.isRunning).toBe(true);
});
