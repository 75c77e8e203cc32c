/** The shapes of source.yaml and task.yaml, as their keys stand in the files. What a value may be, beyond its type, is checked where it is used. */
import { type Static, type TObject, type TProperties, Type } from "@skein/base";

const strict = <P extends TProperties>(properties: P): TObject<P> => Type.Object(properties, { additionalProperties: false });
const text = (value = "") => Type.String({ default: value });
const whole = (value: number, minimum = 0) => Type.Integer({ default: value, minimum });
const flag = (value: boolean) => Type.Boolean({ default: value });
const texts = () => Type.Array(Type.String(), { default: [] });
const anything = () => Type.Optional(Type.Unknown());
/** Named blocks. Defaults reach into a record's items only when the item has one itself. */
const byName = <P extends TProperties>(item: TObject<P>) =>
  Type.Record(Type.String(), Type.Object(item.properties, { additionalProperties: false, default: {} }), { default: {} });

const securityShape = strict({
  "ssl-ca": text(),
  "ssl-cert": text(),
  "ssl-key": text(),
  "cert-allowed-cn": texts(),
  "ssl-ca-bytes": anything(),
  "ssl-cert-bytes": anything(),
  "ssl-key-bytes": anything(),
  "ssl-ca-base64": text(),
  "ssl-cert-base64": text(),
  "ssl-key-base64": text(),
});
export type SecurityShape = Static<typeof securityShape>;

const sessionShape = Type.Record(Type.String(), Type.Union([Type.String(), Type.Number(), Type.Boolean()]), { default: {} });

export const databaseShape = strict({
  host: text(),
  port: Type.Integer({ default: 3306, minimum: 1, maximum: 65_535 }),
  user: text(),
  // A password of digits is a number to YAML.
  password: Type.Union([Type.String(), Type.Number()], { default: "" }),
  "max-allowed-packet": anything(),
  session: sessionShape,
  security: Type.Optional(securityShape),
});
export type DatabaseShape = Static<typeof databaseShape>;

export const filterShape = strict({
  "schema-pattern": text(),
  "table-pattern": text(),
  events: texts(),
  "sql-pattern": texts(),
  action: text("Do"),
});
export type FilterShape = Static<typeof filterShape>;

export const checkerShape = strict({
  "check-enable": flag(true),
  "backoff-rollback": text("5m"),
  "backoff-max": text("5m"),
  "check-interval": text("5s"),
  "backoff-min": text("1s"),
  "backoff-jitter": flag(true),
  "backoff-factor": Type.Number({ default: 2, exclusiveMinimum: 1 }),
});

export const sourceShape = strict({
  "source-id": text(),
  enable: flag(true),
  "enable-gtid": flag(false),
  "enable-relay": flag(false),
  "relay-binlog-name": text(),
  "relay-binlog-gtid": text(),
  "relay-dir": text(),
  "auto-fix-gtid": anything(),
  "meta-dir": anything(),
  charset: anything(),
  tracer: anything(),
  flavor: text(),
  "server-id": Type.Integer({ default: 0, minimum: 0, maximum: 4_294_967_295 }),
  from: Type.Optional(databaseShape),
  purge: Type.Object(
    { interval: Type.Integer({ default: 3600 }), expires: Type.Integer({ default: 0 }), "remain-space": Type.Integer({ default: 15 }) },
    { additionalProperties: false, default: {} },
  ),
  checker: Type.Object(checkerShape.properties, { additionalProperties: false, default: {} }),
  "case-sensitive": flag(false),
  filters: Type.Array(filterShape, { default: [] }),
});

const tablePatternShape = strict({ "db-name": text(), "tbl-name": text() });
export const allowListShape = strict({
  "do-dbs": texts(),
  "ignore-dbs": texts(),
  "do-tables": Type.Array(tablePatternShape, { default: [] }),
  "ignore-tables": Type.Array(tablePatternShape, { default: [] }),
});
export type AllowListShape = Static<typeof allowListShape>;

export const routeShape = strict({
  "schema-pattern": text(),
  "table-pattern": text(),
  "target-schema": text(),
  "target-table": text(),
  "extract-table": Type.Optional(strict({ "table-regexp": text(), "target-column": text() })),
  "extract-schema": Type.Optional(strict({ "schema-regexp": text(), "target-column": text() })),
  "extract-source": Type.Optional(strict({ "source-regexp": text(), "target-column": text() })),
});
export type RouteShape = Static<typeof routeShape>;

export const expressionShape = strict({
  schema: text(),
  table: text(),
  "insert-value-expr": text(),
  "update-old-value-expr": text(),
  "update-new-value-expr": text(),
  "delete-value-expr": text(),
});

export const dumperShape = strict({
  "mydumper-path": text("./bin/mydumper"),
  threads: whole(4, 1),
  "chunk-filesize": Type.Union([Type.String(), Type.Number()], { default: "64" }),
  "statement-size": whole(0),
  rows: whole(0),
  where: text(),
  "skip-tz-utc": flag(true),
  "extra-args": text(),
});
export type DumperShape = Static<typeof dumperShape>;

export const loaderShape = strict({
  "pool-size": whole(16, 1),
  dir: text("./dumped_data"),
  "sorting-dir-physical": text(),
  "import-mode": text("logical"),
  "on-duplicate": text(),
  "on-duplicate-logical": text(),
  "on-duplicate-physical": text(),
  "disk-quota-physical": Type.Union([Type.String(), Type.Number()], { default: 0 }),
  "checksum-physical": text(),
  analyze: text(),
  "range-concurrency": whole(0),
  "compress-kv-pairs": text(),
  "pd-addr": text(),
});
export type LoaderShape = Static<typeof loaderShape>;

export const syncerShape = strict({
  "meta-file": anything(),
  "worker-count": whole(16, 1),
  batch: whole(100, 1),
  "queue-size": whole(1024, 1),
  "checkpoint-flush-interval": whole(30, 1),
  compact: flag(false),
  "multiple-rows": flag(false),
  "max-retry": anything(),
  "auto-fix-gtid": anything(),
  "enable-gtid": anything(),
  "disable-detect": anything(),
  "safe-mode": flag(false),
  "safe-mode-duration": text(),
  "enable-ansi-quotes": anything(),
});
export type SyncerShape = Static<typeof syncerShape>;

export const validatorShape = strict({
  mode: text("none"),
  "worker-count": whole(4, 1),
  "validate-interval": text("10s"),
  "check-interval": text("5s"),
  "row-error-delay": text("30m"),
  "meta-flush-interval": text("5m"),
  "batch-query-size": whole(100, 1),
  "max-pending-row-size": text("500m"),
  "max-pending-row-count": whole(2_147_483_647, 1),
});
export type ValidatorShape = Static<typeof validatorShape>;

const instanceShape = strict({
  "source-id": text(),
  meta: Type.Optional(strict({ "binlog-name": text(), "binlog-pos": whole(0), "binlog-gtid": text() })),
  "filter-rules": texts(),
  "column-mapping-rules": texts(),
  "route-rules": texts(),
  "expression-filters": texts(),
  "black-white-list": text(),
  "block-allow-list": text(),
  "mydumper-config-name": text(),
  mydumper: Type.Optional(dumperShape),
  "mydumper-thread": whole(0),
  "loader-config-name": text(),
  loader: Type.Optional(loaderShape),
  "loader-thread": whole(0),
  "syncer-config-name": text(),
  syncer: Type.Optional(syncerShape),
  "syncer-thread": whole(0),
  "validator-config-name": text(),
});
export type InstanceShape = Static<typeof instanceShape>;

export const taskShape = strict({
  name: text(),
  "task-mode": text(),
  "is-sharding": Type.Optional(Type.Boolean()),
  "shard-mode": text(),
  "strict-optimistic-shard-mode": flag(false),
  "ignore-checking-items": texts(),
  "meta-schema": text(),
  "enable-heartbeat": anything(),
  "heartbeat-update-interval": anything(),
  "heartbeat-report-interval": anything(),
  timezone: text(),
  "case-sensitive": flag(false),
  collation_compatible: text(),
  "target-database": Type.Optional(databaseShape),
  "mysql-instances": Type.Array(instanceShape, { default: [] }),
  "online-ddl": flag(true),
  "shadow-table-rules": texts(),
  "trash-table-rules": texts(),
  "online-ddl-scheme": text(),
  routes: byName(routeShape),
  filters: byName(filterShape),
  "column-mappings": Type.Record(Type.String(), Type.Unknown(), { default: {} }),
  "expression-filter": byName(expressionShape),
  "black-white-list": byName(allowListShape),
  "block-allow-list": byName(allowListShape),
  mydumpers: byName(dumperShape),
  loaders: byName(loaderShape),
  syncers: byName(syncerShape),
  validators: byName(validatorShape),
  "clean-dump-file": flag(true),
  "ansi-quotes": anything(),
  "remove-meta": flag(false),
  experimental: Type.Object({ "async-checkpoint-flush": flag(false) }, { additionalProperties: false, default: {} }),
});
export type TaskShape = Static<typeof taskShape>;

/** `key:` without a value means "not set" in these files. */
export function withoutNulls(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutNulls);
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, item]) => item !== null && item !== undefined)
      .map(([key, item]) => [key, withoutNulls(item)]),
  );
}
