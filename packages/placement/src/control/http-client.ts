/** Asks placement drivers over HTTP/1, the first that can be reached; whatever scheme was typed, TLS is spoken when there are files for it. */
import { request as httpRequest, type RequestOptions } from "node:http";
import { request as httpsRequest } from "node:https";
import type { World } from "@skein/base";
import { NoEndpoint, type PdAnswer } from "./command.ts";

export interface TlsPaths {
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

export interface HttpClient {
  request(method: string, path: string, body: string | undefined, signal: AbortSignal): Promise<PdAnswer>;
}

const timeoutMs = 30_000;
const bodyBytesMax = 512 * 1024 * 1024;

/** `addresses`: a comma list, with or without schemes. */
export function createHttpClient(world: World, addresses: string, tls: TlsPaths): HttpClient {
  const endpoints = addresses
    .split(",")
    .map((each) =>
      each
        .trim()
        .replace(/^[a-z]+:\/\//i, "")
        .replace(/\/+$/, ""),
    )
    .filter((each) => each !== "");
  const isTls = tls.ca !== "" || tls.cert !== "" || tls.key !== "";
  let files: Promise<
    Pick<RequestOptions & { ca?: string; cert?: string; key?: string }, "host"> & { ca?: string; cert?: string; key?: string }
  > | null = null;
  const read = async (path: string) => new TextDecoder().decode(await world.disk.readFile(path));
  const tlsFiles = async () => ({
    ...(tls.ca === "" ? {} : { ca: await read(tls.ca) }),
    ...(tls.cert === "" ? {} : { cert: await read(tls.cert) }),
    ...(tls.key === "" ? {} : { key: await read(tls.key) }),
  });

  async function ask(endpoint: string, method: string, path: string, body: string | undefined, signal: AbortSignal): Promise<PdAnswer> {
    const url = new URL(`${isTls ? "https" : "http"}://${endpoint}${path}`);
    files ??= tlsFiles();
    const secrets = isTls ? await files : {};
    return new Promise((resolve, reject) => {
      const send = isTls ? httpsRequest : httpRequest;
      const request = send(
        url,
        {
          method,
          ...secrets,
          agent: false,
          signal,
          headers: body === undefined ? {} : { "content-type": "application/json", "content-length": Buffer.byteLength(body) },
        },
        (response) => {
          const chunks: Buffer[] = [];
          let size = 0;
          response.on("data", (chunk: Buffer) => {
            chunks.push(chunk);
            size += chunk.length;
            if (size > bodyBytesMax) request.destroy(new Error("the answer is too long"));
          });
          response.on("end", () => resolve({ status: response.statusCode ?? 0, text: Buffer.concat(chunks).toString("utf8") }));
          response.on("error", reject);
        },
      );
      request.setTimeout(timeoutMs, () => request.destroy(new Error(`no answer within ${timeoutMs / 1000} s`)));
      request.on("error", reject);
      request.end(body);
    });
  }

  return {
    request: async (method, path, body, signal) => {
      let last = "no address was given";
      for (const endpoint of endpoints) {
        try {
          return await ask(endpoint, method, path, body, signal);
        } catch (error) {
          if (signal.aborted) throw error;
          last = `${method} http${isTls ? "s" : ""}://${endpoint}${path}: ${error instanceof Error ? error.message || (error as { code?: string }).code : String(error)}`;
        }
      }
      throw new NoEndpoint(`after trying all endpoints, no endpoint is available, the last error we met: ${last}`);
    },
  };
}
