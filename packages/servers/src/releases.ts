/** Which servers can be started, and where the program of each is. */
import { join } from "node:path";
import type { World } from "@skein/base";
import type { ServerFamily } from "./core/settings.ts";
import { checkoutFolder, findProgram, findProgramInTree, type Program } from "./program.ts";

/** `mariadb`: the one that is installed on the machine. The others are trees that `./skein setup` unpacks. */
export type ServerRelease = "mariadb" | "mariadb-11" | "mysql-8" | "mysql-9";

interface Release {
  readonly family: ServerFamily;
  readonly program: string;
  /** For messages. */
  readonly title: string;
  /** Null: installed on the machine. */
  readonly tree: string | null;
}

const tree = (name: ServerRelease): string => join(checkoutFolder, ".cache", name);

const releases: Readonly<Record<ServerRelease, Release>> = {
  mariadb: { family: "mariadb", program: "mariadbd", title: "mariadbd", tree: null },
  "mariadb-11": { family: "mariadb", program: "mariadbd", title: "mariadbd (MariaDB 11)", tree: tree("mariadb-11") },
  "mysql-8": { family: "mysql", program: "mysqld", title: "mysqld (MySQL 8)", tree: tree("mysql-8") },
  "mysql-9": { family: "mysql", program: "mysqld", title: "mysqld (MySQL 9)", tree: tree("mysql-9") },
};

/**
 * What a family's server is when nobody names a release: the installed MariaDB, MySQL 9. `SKEIN_MARIADB=mariadb-11` and
 * `SKEIN_MYSQL=mysql-8` choose others, so that every test can be run against them.
 */
const defaultReleases: Readonly<Record<ServerFamily, ServerRelease>> = {
  mariadb: chosen("SKEIN_MARIADB", "mariadb"),
  mysql: chosen("SKEIN_MYSQL", "mysql-9"),
};

function chosen(variable: string, usual: ServerRelease): ServerRelease {
  const name = process.env[variable];
  if (name === undefined || name === "") return usual;
  const family = releases[usual].family;
  const known = Object.entries(releases).filter(([, release]) => release.family === family);
  const release = known.find(([key]) => key === name);
  if (release === undefined) throw new RangeError(`${variable}=${name}: it can be ${known.map(([key]) => key).join(" or ")}`);
  return release[0] as ServerRelease;
}

export interface FoundServer {
  /** Null when it is not on this machine. */
  readonly program: Program | null;
  /** What is missing then. */
  readonly title: string;
}

/** The server of a family: of the unpacked tree `from.tree`, of the release `from.release`, or the usual one. */
export async function findServer(
  world: World,
  family: ServerFamily,
  from: { readonly tree?: string; readonly release?: ServerRelease },
): Promise<FoundServer> {
  const release = releases[from.release ?? defaultReleases[family]];
  const folder = from.tree ?? release.tree;
  const program = await (folder === null ? findProgram(world, release.program) : findProgramInTree(world, folder, release.program));
  return { program, title: release.title };
}
