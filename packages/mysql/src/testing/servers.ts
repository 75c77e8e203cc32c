/** What the integration tests of this package share. */
import { nodeWorld, Secret } from "@skein/base";
import { type DatabaseServer, type DatabaseServerOptions, startMariadb, startMysql } from "@skein/servers";
import type { MysqlEndpoint } from "../client/authenticate.ts";

export const world = nodeWorld();

export const families: readonly ["mariadb" | "mysql", (options: DatabaseServerOptions) => Promise<DatabaseServer>][] = [
  ["mariadb", (options) => startMariadb(world, options)],
  ["mysql", (options) => startMysql(world, options)],
];

export function endpointOf(server: DatabaseServer): MysqlEndpoint {
  return { host: server.host, port: server.port, user: server.user, password: new Secret(server.password) };
}
