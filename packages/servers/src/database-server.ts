/** MariaDB and MySQL as children on the loopback, each with a private data folder. */
import { join } from "node:path";
import { causeText, type World } from "@skein/base";
import { firstStatements, type ServerFamily, type ServerSettings, serverArguments } from "./core/settings.ts";
import { serverErrors } from "./errors.ts";
import { logEnd, makePrivateFolder } from "./folders.ts";
import { asRoot, checkoutFolder, findProgram, findProgramInTree, mysqlTree, type Program } from "./program.ts";
import { launchServer, type ServerProcess } from "./server-process.ts";
import { openSql, sql, type SqlRow } from "./sql.ts";

export interface DatabaseServerOptions {
  /** Kept at the end, and used again when it holds data. Unless given: a temporary folder that is removed at the end. */
  readonly dataFolder?: string;
  /** Over the defaults (`core/settings.ts`): `{ "binlog-format": "ROW" }`. */
  readonly settings?: ServerSettings;
  readonly gtid?: boolean;
  /** Default utf8mb4. */
  readonly charset?: string;
  readonly user?: string;
  readonly password?: string;
  readonly port?: number;
  readonly serverId?: number;
  /** An unpacked Debian tree to take the server from. */
  readonly tree?: string;
}

export interface DatabaseServer extends ServerProcess {
  readonly family: ServerFamily;
  readonly version: string;
  /** An account with all privileges. */
  readonly user: string;
  readonly password: string;
  /** Statements on a connection of their own, with a client that is not the house's. */
  sql(text: string, options?: { readonly database?: string }): Promise<SqlRow[]>;
}

/** The distribution's MariaDB (or that of `tree`). */
export const startMariadb = (world: World, options: DatabaseServerOptions = {}): Promise<DatabaseServer> =>
  startDatabase(world, "mariadb", options);

/** MySQL 9 from the tree that `./skein setup` unpacked (or from `tree`). */
export const startMysql = (world: World, options: DatabaseServerOptions = {}): Promise<DatabaseServer> =>
  startDatabase(world, "mysql", options);

/** Null when it can be started, else the reason why not. */
export async function whyNotDatabase(world: World, family: ServerFamily, tree?: string): Promise<string | null> {
  return (await findServer(world, family, tree)) === null ? serverErrors.programMissing([programNames[family]]).detail : null;
}

const programNames: Readonly<Record<ServerFamily, string>> = { mariadb: "mariadbd", mysql: "mysqld (MySQL 9)" };

async function findServer(world: World, family: ServerFamily, tree?: string): Promise<Program | null> {
  if (family === "mysql") return findProgramInTree(world, tree ?? mysqlTree, "mysqld");
  return tree === undefined ? findProgram(world, "mariadbd") : findProgramInTree(world, tree, "mariadbd");
}

async function startDatabase(world: World, family: ServerFamily, options: DatabaseServerOptions): Promise<DatabaseServer> {
  const program = await findServer(world, family, options.tree);
  if (program === null) throw serverErrors.programMissing([programNames[family]]);
  const isPrivate = options.dataFolder === undefined;
  const dataFolder = options.dataFolder ?? join(await makePrivateFolder(world, family), "data");
  const logFile = `${dataFolder}.log`;
  const credentialsFile = `${dataFolder}.password`;
  const user = options.user ?? "root";
  const isNew = (await world.disk.stat(join(dataFolder, "mysql"))) === null;
  const password =
    options.password ??
    (isNew ? Buffer.from(world.random.bytes(9)).toString("hex") : Buffer.from(await world.disk.readFile(credentialsFile)).toString("utf8"));
  const firstFile = `${dataFolder}.first.sql`;
  const temporaryFolder = `${dataFolder}.tmp`;
  await world.disk.makeFolder(temporaryFolder);
  const cleanUp = async () => {
    if (isPrivate) await world.disk.remove(join(dataFolder, ".."), { recursive: true });
  };
  try {
    if (isNew) {
      await createDataFolder(world, family, program, dataFolder, options.settings ?? {});
      await world.disk.writeFileAtomic(credentialsFile, password);
      await world.disk.writeFileAtomic(firstFile, firstStatements(user, password));
    }
  } catch (error) {
    await cleanUp();
    throw error;
  }
  const fixed = [
    "--no-defaults",
    ...asRoot(),
    ...(program.tree === "/" ? [] : [`--basedir=${join(program.tree, "usr")}`]),
    `--datadir=${dataFolder}`,
    // Its own: a MariaDB that starts deletes the temporary tables of all servers that share the folder, and they crash.
    `--tmpdir=${temporaryFolder}`,
    ...serverArguments({
      family,
      serverId: options.serverId ?? 1 + (world.random.u32() % 0x7fffffff),
      gtid: options.gtid ?? false,
      charset: options.charset ?? "utf8mb4",
      settings: options.settings ?? {},
    }),
  ];
  let isFirst = isNew;
  let version = "";
  const server = await launchServer(world, {
    program,
    args: (port) => [...fixed, `--port=${port}`, ...(isFirst ? [`--init-file=${firstFile}`] : [])],
    port: options.port ?? null,
    dataFolder,
    logFile,
    readyTimeoutMs: 90_000,
    probe: async (port) => {
      await using session = await openSql({ host: "127.0.0.1", port, user, password });
      version = (await session.query("SELECT VERSION() v"))[0]?.["v"] ?? "";
      isFirst = false;
    },
    cleanUp,
  });
  await world.disk.remove(firstFile);
  const endpoint = { host: server.host, port: server.port, user, password };
  return {
    ...endpoint,
    family,
    version,
    dataFolder,
    logFile,
    get pid() {
      return server.pid;
    },
    get isRunning() {
      return server.isRunning;
    },
    kill: (signal) => server.kill(signal),
    stop: () => server.stop(),
    restart: () => server.restart(),
    sql: (text, sqlOptions) => sql(endpoint, text, sqlOptions),
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}

/** Settings that can only be chosen when the data folder is made. */
const bornWith = new Set(["lower-case-table-names", "innodb-page-size", "innodb-undo-tablespaces", "innodb-checksum-algorithm"]);

/**
 * A fresh data folder takes a server seconds to make; a copy of one takes a fraction. The first one of each server is kept
 * as a template in `.cache/`; it is put there by a rename, so that others see it whole or not at all.
 */
async function createDataFolder(
  world: World,
  family: ServerFamily,
  program: Program,
  dataFolder: string,
  settings: ServerSettings,
): Promise<void> {
  const inborn = Object.entries(settings)
    .map(([name, value]) => [name.replaceAll("_", "-"), value] as const)
    .filter(([name]) => bornWith.has(name))
    .map(([name, value]) => `--${name}=${value}`);
  if (inborn.length > 0) return initialise(world, family, program, dataFolder, inborn);
  const facts = await world.disk.stat(program.args.at(-1) ?? program.command);
  const templates = join(checkoutFolder, ".cache", "templates");
  const template = join(templates, `${family}-${facts?.sizeBytes}-${Math.trunc(facts?.modifiedMs ?? 0)}`);
  if ((await world.disk.stat(template)) === null) {
    await world.disk.makeFolder(templates);
    const growing = `${template}.${Buffer.from(world.random.bytes(4)).toString("hex")}`;
    try {
      await initialise(world, family, program, growing, []);
      await world.disk.rename(growing, template);
    } catch (error) {
      await world.disk.remove(growing, { recursive: true });
      if ((await world.disk.stat(template)) === null) throw error; // else another process has made it meanwhile
    }
  }
  await copyFolder(world, template, dataFolder);
}

async function copyFolder(world: World, from: string, to: string): Promise<void> {
  const { code, stderr } = await world.processes.run("cp", ["-a", "--reflink=auto", "--sparse=always", from, to]);
  if (code !== 0) throw serverErrors.startFailed(["cp", `code ${code}`, stderr]);
}

async function initialise(
  world: World,
  family: ServerFamily,
  program: Program,
  dataFolder: string,
  inborn: readonly string[],
): Promise<void> {
  await world.disk.makeFolder(dataFolder);
  const command = family === "mysql" ? mysqlInitialiser(program) : await mariadbInitialiser(world, program);
  // Not the shared /tmp: a MariaDB that starts clears the temporary tables that it finds there, others' too.
  const temporaryFolder = `${dataFolder}.tmp`;
  await world.disk.makeFolder(temporaryFolder);
  const result = await world.processes
    .run(command.command, [...command.args, `--datadir=${dataFolder}`, `--tmpdir=${temporaryFolder}`, ...asRoot(), ...inborn])
    .catch((error: unknown) => ({ code: -1, stdout: "", stderr: causeText(error) }));
  await world.disk.remove(temporaryFolder, { recursive: true });
  if (result.code !== 0) {
    const said = `${result.stdout}${result.stderr}`.trimEnd().split("\n").slice(-20).join("\n");
    throw serverErrors.startFailed([command.command, `making a data folder ended with code ${result.code}`, said]);
  }
  await world.disk.remove(join(dataFolder, "auto.cnf")); // the server's identity: every copy needs its own
}

function mysqlInitialiser(program: Program): { command: string; args: readonly string[] } {
  const basedir = program.tree === "/" ? [] : [`--basedir=${join(program.tree, "usr")}`];
  return {
    command: program.command,
    args: [...program.args, "--no-defaults", ...basedir, "--initialize-insecure", "--innodb-redo-log-capacity=32M", "--mysqlx=OFF"],
  };
}

async function mariadbInitialiser(world: World, program: Program): Promise<{ command: string; args: readonly string[] }> {
  const flags = ["--no-defaults", "--auth-root-authentication-method=normal", "--skip-test-db", "--innodb-log-file-size=16M"];
  if (program.tree !== "/") {
    // the script starts the server by its path; the tree's loader has to be in between
    const basedir = join(program.tree, "usr");
    return { command: "sh", args: [join(basedir, "bin/mariadb-install-db"), ...flags, `--basedir=${basedir}`] };
  }
  const script = await findProgram(world, "mariadb-install-db");
  if (script === null) throw serverErrors.programMissing(["mariadb-install-db"]);
  return { command: script.command, args: flags };
}

/** The end of a server's log, for messages. */
export const serverLogEnd = (world: World, server: { readonly logFile: string }): Promise<string> => logEnd(world, server.logFile);
