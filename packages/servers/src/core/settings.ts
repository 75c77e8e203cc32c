/** Settings of database servers: defaults, what the caller wants, and the command line that says it. */

export type ServerFamily = "mariadb" | "mysql";

/** Names as on the command line, without `--`; `_` and `-` are the same. The value `""` gives the bare flag. */
export type ServerSettings = Readonly<Record<string, string>>;

export interface SettingsOptions {
  readonly family: ServerFamily;
  readonly serverId: number;
  /** MySQL: GTID mode on; MariaDB always has GTIDs, here it becomes strict about them. */
  readonly gtid: boolean;
  readonly charset: string;
  readonly settings: ServerSettings;
}

/** Little memory, full row events in the binlog. Durable against a kill of the server, not of the machine: benchmarks set their own. */
export function serverArguments(options: SettingsOptions): string[] {
  const shared: ServerSettings = {
    "bind-address": "127.0.0.1",
    "server-id": String(options.serverId),
    "log-bin": "mysql-bin",
    "binlog-format": "ROW",
    "binlog-row-image": "FULL",
    "binlog-row-metadata": "FULL",
    "character-set-server": options.charset,
    "innodb-buffer-pool-size": "128M",
    "innodb-flush-log-at-trx-commit": "2",
    "sync-binlog": "0",
    "local-infile": "1",
    "max-allowed-packet": "256M",
    "max-connections": "300",
    "performance-schema": "OFF",
    "skip-name-resolve": "",
    socket: "server.sock", // in the data folder: a short relative name fits where a long path does not
    "pid-file": "server.pid",
  };
  const own: Readonly<Record<ServerFamily, ServerSettings>> = {
    mariadb: { "innodb-log-file-size": "64M", "log-slave-updates": "1", ...(options.gtid ? { "gtid-strict-mode": "1" } : {}) },
    mysql: {
      "loose-innodb-redo-log-capacity": "128M", // since 8.0.30
      mysqlx: "OFF",
      "secure-file-priv": "",
      "loose-log-replica-updates": "1", // the name since 8.0.26; MySQL 8 does so by itself
      ...(options.gtid ? { "gtid-mode": "ON", "enforce-gtid-consistency": "ON" } : {}),
    },
  };
  const merged = new Map<string, string>();
  for (const [name, value] of [...Object.entries({ ...shared, ...own[options.family] }), ...Object.entries(options.settings)])
    merged.set(name.replaceAll("_", "-"), value);
  return [...merged].map(([name, value]) => (value === "" && !needsValue.has(name) ? `--${name}` : `--${name}=${value}`));
}

/** Settings for which the empty text is a value. */
const needsValue = new Set(["secure-file-priv", "sql-mode", "init-connect"]);

/** First start: one administrator who may come from anywhere (the server listens on the loopback only), nobody without a password. */
export function firstStatements(user: string, password: string): string {
  const account = `'${user}'@'%'`;
  return [
    "SET sql_log_bin = 0;",
    ...["127.0.0.1", "::1"].map((host) => `DROP USER IF EXISTS 'root'@'${host}';`),
    "DROP USER IF EXISTS ''@'localhost';",
    `ALTER USER 'root'@'localhost' IDENTIFIED BY '${password}';`,
    `CREATE USER IF NOT EXISTS ${account} IDENTIFIED BY '${password}';`,
    `GRANT ALL PRIVILEGES ON *.* TO ${account} WITH GRANT OPTION;`,
    "",
  ].join("\n");
}
