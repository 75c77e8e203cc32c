import { nodeWorld } from "@skein/base";
import { createServer } from "@skein/rpc";
import { describe, expect, test } from "vitest";
import { openEmbeddedMetastore } from "../embedded/embedded-metastore.ts";
import { describeMetastoreContract } from "../testing/contract.ts";
import { openEtcdMetastore } from "./etcd-metastore.ts";
import { etcdServices } from "./etcd-services.ts";

const world = nodeWorld();

async function serve() {
  const embedded = await openEmbeddedMetastore(world, { path: ":memory:" });
  const services = etcdServices(world, embedded, { name: "m1", clientUrls: ["http://127.0.0.1:1"] });
  let server = await createServer(world, { host: "127.0.0.1", port: 0, services });
  const { port } = server;
  return {
    port,
    embedded,
    restart: async () => {
      await server.close();
      server = await createServer(world, { host: "127.0.0.1", port, services });
    },
    close: async () => {
      await server.close();
      await embedded.close();
    },
  };
}

describeMetastoreContract("embedded and served over etcd's protocol", async () => {
  const server = await serve();
  const endpoints = [`http://127.0.0.1:${server.port}`];
  const store = openEtcdMetastore(world, { endpoints });
  const other = openEtcdMetastore(world, { endpoints });
  return {
    world,
    store,
    other,
    interrupt: server.restart,
    close: async () => {
      await store.close();
      await other.close();
      await server.close();
    },
  };
});

describe("etcd's services", () => {
  test("serve etcdctl", async () => {
    const server = await serve();
    const etcdctl = async (...args: string[]) => {
      const { stdout, stderr, code } = await world.processes.run("etcdctl", [`--endpoints=127.0.0.1:${server.port}`, ...args], {
        env: { ETCDCTL_API: "3" },
      });
      expect([code, stderr]).toEqual([0, ""]);
      return stdout;
    };
    try {
      expect(await etcdctl("put", "/a/1", "one")).toBe("OK\n");
      expect(await etcdctl("put", "/a/2", "two")).toBe("OK\n");
      expect(await etcdctl("get", "--prefix", "/a/")).toBe("/a/1\none\n/a/2\ntwo\n");
      expect(await etcdctl("get", "/a/1", "/a/2", "--keys-only")).toBe("/a/1\n\n");
      expect(await etcdctl("get", "--prefix", "", "--sort-by=MODIFY", "--order=DESCEND", "--limit=1", "--keys-only")).toBe("/a/2\n\n");
      expect(await etcdctl("del", "--prefix", "/a", "--prev-kv")).toBe("2\n/a/1\none\n/a/2\ntwo\n");
      expect(await etcdctl("member", "list")).toContain("m1");
      const lease = /lease (\w+) granted/.exec(await etcdctl("lease", "grant", "100"))?.[1] as string;
      expect(await etcdctl("put", "/l", "x", `--lease=${lease}`)).toBe("OK\n");
      expect(await etcdctl("lease", "timetolive", lease, "--keys")).toContain("attached keys([/l])");
      expect(await etcdctl("lease", "revoke", lease)).toContain("revoked");
      expect(await etcdctl("get", "/l")).toBe("");
    } finally {
      await server.close();
    }
  });
});
