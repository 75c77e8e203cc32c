/** MariaDB and MySQL as children on the loopback, each with a private data folder. */
import { join } from "node:path";
import { causeText, type World } from "@skein/base";
import { firstStatements, type ServerFamily, type ServerSettings, serverArguments } from "./core/settings.ts";
import { serverErrors } from "./errors.ts";
import { makePrivateFolder } from "./folders.ts";
import { asRoot, checkoutFolder, findProgram, type Program } from "./program.ts";
import { findServer, type ServerRelease } from "./releases.ts";
import { launchServer, type ServerProcess } from "./server-process.ts";
import { openSql, type SqlRow, sql } from "./sql.ts";

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
  /** Which of the family's servers; `releases.ts` has the usual ones. */
  readonly release?: ServerRelease;
  /** Another unpacked tree to take the server from. */
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

/** The distribution's MariaDB, or another release of it. */
export const startMariadb = (world: World, options: DatabaseServerOptions = {}): Promise<DatabaseServer> =>
  startDatabase(world, "mariadb", options);

/** MySQL 9, or another release of it. */
export const startMysql = (world: World, options: DatabaseServerOptions = {}): Promise<DatabaseServer> =>
  startDatabase(world, "mysql", options);

/** Null when it can be started, else the reason why not. */
export async function whyNotDatabase(
  world: World,
  family: ServerFamily,
  from: Pick<DatabaseServerOptions, "tree" | "release"> = {},
): Promise<string | null> {
  const { program, title } = await findServer(world, family, from);
  return program === null ? serverErrors.programMissing([title]).detail : null;
}

async function startDatabase(world: World, family: ServerFamily, options: DatabaseServerOptions): Promise<DatabaseServer> {
  const { program, title } = await findServer(world, family, options);
  if (program === null) throw serverErrors.programMissing([title]);
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
    ...baseFolder(program),
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
  const initialiser = family === "mysql" ? mysqlInitialiser(program) : await mariadbInitialiser(world, program);
  // Not the shared /tmp: a MariaDB that starts clears the temporary tables that it finds there, others' too.
  const temporaryFolder = `${dataFolder}.tmp`;
  await world.disk.makeFolder(temporaryFolder);
  const result = await world.processes
    .run(
      initialiser.command,
      [...initialiser.args, `--datadir=${dataFolder}`, `--tmpdir=${temporaryFolder}`, ...asRoot(), ...inborn],
      initialiser.input === undefined ? {} : { input: initialiser.input },
    )
    .catch((error: unknown) => ({ code: -1, stdout: "", stderr: causeText(error) }));
  await world.disk.remove(temporaryFolder, { recursive: true });
  if (result.code !== 0) {
    const said = `${result.stdout}${result.stderr}`.trimEnd().split("\n").slice(-20).join("\n");
    throw serverErrors.startFailed([initialiser.command, `making a data folder ended with code ${result.code}`, said]);
  }
  await world.disk.remove(join(dataFolder, "auto.cnf")); // the server's identity: every copy needs its own
}

/** A command that fills a new data folder. */
interface Initialiser {
  readonly command: string;
  readonly args: readonly string[];
  /** Its standard input. */
  readonly input?: string;
}

const baseFolder = ({ basedir }: Program): readonly string[] => (basedir === null ? [] : [`--basedir=${basedir}`]);

function mysqlInitialiser(program: Program): Initialiser {
  const flags = ["--no-defaults", ...baseFolder(program), "--initialize-insecure", "--loose-innodb-redo-log-capacity=32M", "--mysqlx=OFF"];
  return { command: program.command, args: [...program.args, ...flags] };
}

async function mariadbInitialiser(world: World, program: Program): Promise<Initialiser> {
  const flags = ["--no-defaults", "--innodb-log-file-size=16M"];
  if (program.basedir === null) {
    const script = await findProgram(world, "mariadb-install-db");
    if (script === null) throw serverErrors.programMissing(["mariadb-install-db"]);
    return { command: script.command, args: [...flags, "--auth-root-authentication-method=normal", "--skip-test-db"] };
  }
  // The script starts programs by their paths, and a tree's loader has to be in between. What it feeds to the server:
  const share = join(program.basedir, "share");
  const folder = (await world.disk.stat(join(share, "mariadb"))) === null ? share : join(share, "mariadb");
  const statements = ["create database mysql;", "use mysql;", "set @auth_root_socket = null;"];
  for (const file of mariadbSystemFiles) statements.push(Buffer.from(await world.disk.readFile(join(folder, file))).toString("utf8"));
  return {
    command: program.command,
    args: [...program.args, ...flags, ...baseFolder(program), "--bootstrap", "--enforce-storage-engine=", "--max-allowed-packet=8M"],
    input: `${statements.join("\n")}\n`,
  };
}

/** Statements of the release that make its system tables; the texts of HELP are left out. */
const mariadbSystemFiles = [
  "mariadb_system_tables.sql",
  "mariadb_performance_tables.sql",
  "mariadb_system_tables_data.sql",
  "maria_add_gis_sp_bootstrap.sql",
  "mariadb_sys_schema.sql",
];
