/** What the decoders need of libraries that are not pure; outputs over `bytesMax` are refused by throwing. */
export interface BinlogTools {
  crc32(bytes: Uint8Array): number;
  zlib(bytes: Uint8Array, bytesMax: number): Buffer;
  rawDeflate(bytes: Uint8Array, bytesMax: number): Buffer;
}
