/** source.yaml: one upstream server. Unknown keys are refused with 20003. */
import { Secret, type TlsFiles } from "@skein/base";
import type { CheckerConfig, DbConfig, EventFilterRule } from "./subtask-config.ts";

export interface SourceConfig {
  readonly sourceId: string;
  readonly enable: boolean;
  readonly enableGtid: boolean;
  readonly enableRelay: boolean;
  readonly relayBinlogName: string;
  readonly relayBinlogGtid: string;
  readonly relayDir: string;
  /** "" until it is detected from the server. */
  readonly flavor: "" | "mysql" | "mariadb";
  /** 0 until one is drawn. */
  readonly serverId: number;
  readonly from: SourceEndpoint;
  readonly purge: { readonly interval: number; readonly expires: number; readonly remainSpace: number };
  readonly checker: CheckerConfig;
  readonly caseSensitive: boolean;
  readonly filters: readonly EventFilterRule[];
}

/** The password stays as the user wrote it, encrypted or not, until a connection needs it. */
export interface SourceEndpoint {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: Secret;
  readonly session: Readonly<Record<string, string>>;
  readonly tls: TlsFiles | null;
}

/** With the password in clear. */
export function dbConfigOf(endpoint: SourceEndpoint, decrypt: (text: string) => string): DbConfig {
  return { ...endpoint, password: new Secret(decrypt(endpoint.password.reveal())) };
}
