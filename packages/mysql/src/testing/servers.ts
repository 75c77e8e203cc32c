/** What the integration tests of this package share. */
import { nodeWorld, Secret } from "@skein/base";
import { type DatabaseServer, type DatabaseServerOptions, startMariadb, startMysql } from "@skein/servers";
import type { MysqlEndpoint } from "../client/authenticate.ts";

export const world = nodeWorld();

export const families: readonly ["mariadb" | "mysql", (options: DatabaseServerOptions) => Promise<DatabaseServer>][] = [
  ["mariadb", (options) => startMariadb(world, options)],
  ["mysql", (options) => startMysql(world, options)],
];

/** 8.0.15 → 80015, 11.8.6-MariaDB → 110806: as in versioned comments. */
export function versionOf(server: DatabaseServer): number {
  const [, major, minor, patch] = /^(\d+)\.(\d+)\.(\d+)/.exec(server.version) as RegExpExecArray;
  return Number(major) * 10_000 + Number(minor) * 100 + Number(patch);
}

/** MariaDB compresses events, MySQL transactions since 8.0.20. */
export const canCompress = (family: "mariadb" | "mysql", server: DatabaseServer): boolean =>
  family === "mariadb" || versionOf(server) >= 80_020;

export function endpointOf(server: DatabaseServer): MysqlEndpoint {
  return { host: server.host, port: server.port, user: server.user, password: new Secret(server.password) };
}
