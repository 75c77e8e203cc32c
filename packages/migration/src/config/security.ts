/** TLS material in configuration files: contents travel as base64, so that only the machine of the one who types needs the files. */
import type { TlsFiles } from "@skein/base";
import type { SecurityShape } from "./shapes.ts";

export type FileReader = (path: string) => Uint8Array;

/** Null when nothing is set. `readFile` is needed only for paths. */
export function tlsOf(security: SecurityShape | undefined, readFile?: FileReader): TlsFiles | null {
  if (security === undefined) return null;
  const part = (name: "ca" | "cert" | "key"): Uint8Array | undefined => {
    const base64 = security[`ssl-${name}-base64`];
    if (base64 !== "") return Buffer.from(base64, "base64");
    const bytes = bytesOf(security[`ssl-${name}-bytes`]);
    if (bytes !== undefined) return bytes;
    const path = security[`ssl-${name}`];
    if (path === "") return undefined;
    if (readFile === undefined) throw new Error(`\`ssl-${name}\` names a file, ${path}: only its content can be used here`);
    return readFile(path);
  };
  const [ca, cert, key] = [part("ca"), part("cert"), part("key")];
  if (ca === undefined && cert === undefined && key === undefined) return null;
  return { ...(ca === undefined ? {} : { ca }), ...(cert === undefined ? {} : { cert }), ...(key === undefined ? {} : { key }) };
}

function bytesOf(value: unknown): Uint8Array | undefined {
  if (value === undefined) return undefined;
  if (value instanceof Uint8Array) return value;
  if (typeof value === "string") return Buffer.from(value, "latin1");
  if (Array.isArray(value) && value.length > 0) return Uint8Array.from(value as number[]);
  return undefined;
}

/** The form in which TLS material is stored. */
export function securityOf(tls: TlsFiles | null): Record<string, string> | null {
  if (tls === null) return null;
  const base64 = (data: string | Uint8Array) => Buffer.from(typeof data === "string" ? Buffer.from(data) : data).toString("base64");
  return {
    ...(tls.ca === undefined ? {} : { "ssl-ca-base64": base64(tls.ca) }),
    ...(tls.cert === undefined ? {} : { "ssl-cert-base64": base64(tls.cert) }),
    ...(tls.key === undefined ? {} : { "ssl-key-base64": base64(tls.key) }),
  };
}
