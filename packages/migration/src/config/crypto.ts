/**
 * Passwords in configuration files: base64( IV[16] ‖ `@` ‖ AES-256-CFB(plain text) ). The key comes from `secret-key-path` of
 * dm-master alone; workers get it when they register.
 */
import { createCipheriv, createDecipheriv } from "node:crypto";
import { dmErrors } from "../errors.ts";

const ivLength = 16;
const separator = 0x40;

export interface PasswordCipher {
  /** Throws an error with the steps to get a key when there is none. */
  encrypt(plain: string): string;
  /** The plain text; a text that was not encrypted comes back as it is. */
  decrypt(text: string): string;
}

/** The 32 bytes of a key file: 64 hexadecimal digits. Throws 20067. */
export function parseSecretKey(text: string): Uint8Array {
  const hex = text.trim();
  if (!/^[0-9a-f]*$/i.test(hex)) throw dmErrors.secretKeyPath(["the file holds other characters than hexadecimal digits"]);
  if (hex.length !== 64) throw dmErrors.secretKeyPath([`the file holds ${hex.length} hexadecimal digits instead of 64`]);
  return Buffer.from(hex, "hex");
}

const noKeyText = [
  "secret key not initialized. To enable encryption:",
  "1. put 64 random hexadecimal digits into a file, for example with `openssl rand -hex 32`",
  "2. give every dm-master the same file as `secret-key-path`",
  "3. restart the dm-masters, then run `dmctl encrypt` again",
  "See docs/runbooks/migration.md for details.",
].join("\n");

/** `randomBytes` gives the IV: from the World's random source. */
export function createPasswordCipher(key: Uint8Array | null, randomBytes: (length: number) => Uint8Array): PasswordCipher {
  return {
    encrypt: (plain) => {
      if (key === null) throw new Error(noKeyText);
      const iv = randomBytes(ivLength);
      const cipher = createCipheriv("aes-256-cfb", key, iv);
      return Buffer.concat([iv, Buffer.of(separator), cipher.update(plain, "utf8"), cipher.final()]).toString("base64");
    },
    decrypt: (text) => (key === null ? text : (decryptWith(key, text) ?? text)),
  };
}

function decryptWith(key: Uint8Array, text: string): string | null {
  // Buffer.from reads anything as base64; only what comes out the same again was base64.
  const bytes = Buffer.from(text, "base64");
  if (bytes.length <= ivLength || bytes[ivLength] !== separator || bytes.toString("base64") !== text) return null;
  const decipher = createDecipheriv("aes-256-cfb", key, bytes.subarray(0, ivLength));
  return Buffer.concat([decipher.update(bytes.subarray(ivLength + 1)), decipher.final()]).toString("utf8");
}
