/** Errors of the store's transactions and of its process. What clients are told about a region is a `RegionError`. */
import { define } from "@skein/base";

const make =
  (className: string) =>
  <const Args extends readonly unknown[]>(code: number, message: (...args: Args) => string, workaround = "") =>
    define<Args>({
      code,
      class: className,
      scope: "internal",
      level: "high",
      message,
      ...(workaround === "" ? {} : { workaround }),
    });
const txn = make("txn");
const server = make("tikv-server");

export const storeErrors = {
  /** A record that this version of the store cannot have written. */
  damagedRecord: txn(
    72201,
    (family: string, why: string) => `a record of the family ${family} cannot be read: ${why}`,
    "Check the disk, and let the replica be made again from its peers: `pd-ctl operator add remove-peer <region> <store>`.",
  ),
  badConfig: server(
    72301,
    (file: string, key: string, why: string) =>
      key === "" ? `invalid configuration: ${file}: ${why}` : `invalid configuration: ${file}: ${key}: ${why}`,
    "Correct the value, and check it with `tikv-server --config <file> --config-check`.",
  ),
  dataDirLocked: server(
    72302,
    (path: string) => `the data folder ${path} is in use by another process`,
    "Give each store a data folder of its own, or stop the other process.",
  ),
  /** Of another program, or of the original store: opening it would damage it. */
  foreignDataDir: server(
    72303,
    (path: string, found: string) => `the folder ${path} is not of this store: it holds ${found}`,
    "Name an empty folder. Data of the original store is moved by its clients, for example with a backup or a migration.",
  ),
  newerDataDir: server(
    72304,
    (path: string, format: number, known: number) => `the data folder ${path} is of format ${format}, this version reads up to ${known}`,
    "Start the version that wrote it, or a newer one.",
  ),
  ttlChanged: server(
    72305,
    (path: string, now: string) => `the data folder ${path} was made with storage.enable-ttl = ${now}`,
    "Set storage.enable-ttl as it was: values are kept in another form with it.",
  ),
  /** A warning: most likely a slip of the pen. */
  unknownOption: server(
    72307,
    (file: string, key: string) => `${file}: unknown configuration option ${key}`,
    "Check how it is written: `tikv-server --print-sample-config` shows all that are known.",
  ),
  /** A warning. The original has them, for parts that are made in another way here. */
  idleOptions: server(
    72308,
    (file: string, keys: string) => `${file}: without effect in this store: ${keys}`,
    "Nothing need be done. What this store does instead is in its runbook, under its configuration.",
  ),
  /** By checksums: what the store would read from there may be wrong. */
  dataDamaged: server(
    72309,
    (file: string, offset: number, canMend: boolean) =>
      `the store's data is damaged in ${file} at offset ${offset}${canMend ? "" : ", where it keeps what holds for all of it"}`,
    "Check the disk. Start the store with `storage.repair-damaged-data = true`: it gives up the replicas that the damage may touch, and their regions' leaders replace them. When it says that this cannot be done, remove the store (`pd-ctl store delete <id>`) and start it with an empty data folder.",
  ),
  badDataDir: server(
    72306,
    (path: string, why: string) => `the data folder ${path} cannot be used: ${why}`,
    "Check that the folder exists, belongs to this user, and has room.",
  ),
};
